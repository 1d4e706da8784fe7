#!/bin/bash
# tests/peers/kube-apiserver.sh [TARGET_DIR]
# Builds Kubernetes' API server, which Debian has as source alone, into TARGET_DIR/bin (target/peers/bin): 1.20.2 of bookworm with
# bookworm's Go 1.19, about 6 minutes of processor time. A second run does nothing. Nothing is installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
TARGET=$(realpath -m "${1:-target/peers}")
[ ! -x "$TARGET/bin/kube-apiserver" ] || exit 0
WORK=$TARGET/kubernetes
mkdir -p "$TARGET/bin" "$WORK"/{apt/lists/partial,apt/cache/archives/partial,debs,root,go/src/k8s.io}
: > "$WORK/apt/status"

mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' | awk '$2 == "Debian" {print $1}' | grep -v security | sort -u | head -1)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
for kind in deb deb-src; do echo "$kind [signed-by=$keyring] $mirror bookworm main"; done > "$WORK/apt/sources.list"
APT=(apt-get -qq -o "Dir::Etc::sourcelist=$WORK/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o "Dir::State::lists=$WORK/apt/lists" -o "Dir::State::status=$WORK/apt/status" -o "Dir::Cache=$WORK/apt/cache"
  -o APT::Sandbox::User=root -o Acquire::Retries=3)
"${APT[@]}" update
cd "$WORK/debs"
"${APT[@]}" download golang-1.19-go golang-1.19-src golang-github-modern-go-reflect2-dev > /dev/null
"${APT[@]}" source --download-only kubernetes > /dev/null
for package in *.deb; do dpkg -x "$package" "$WORK/root"; done

SOURCE=$WORK/go/src/k8s.io/kubernetes
rm -rf "$SOURCE"
mkdir "$SOURCE"
tar xf kubernetes_*.orig.tar.gz -C "$SOURCE" --strip-components 1
tar xf kubernetes_*.debian.tar.xz -C "$SOURCE"
cd "$SOURCE"
while read -r name; do
  case $name in '' | '#'*) ;; *) patch -p1 -s < "debian/patches/$name" ;; esac
done < debian/patches/series
# its own copy stops the server at the first call of a webhook, if it is built by Go 1.18 or newer
rm vendor/github.com/modern-go/reflect2/*.go
cp "$WORK"/root/usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} vendor/github.com/modern-go/reflect2/
rm -f vendor/github.com/modern-go/reflect2/*_test.go

export GOROOT=$WORK/root/usr/lib/go-1.19 GOPATH=$WORK/go GOCACHE=$WORK/cache GO111MODULE=off CGO_ENABLED=0 GOPROXY=off
GO=$GOROOT/bin/go
# a file that the release is made with, and that is not in the tree
$GO build -o "$WORK/openapi-gen" k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen
described=$(grep -rl --include='*.go' '^// +k8s:openapi-gen=true' staging/src/k8s.io pkg cmd | xargs -n1 dirname | sort -u |
  sed -e 's#^staging/src/#k8s.io/kubernetes/vendor/#' -e 's#^\(pkg\|cmd\)#k8s.io/kubernetes/\1#' | sort -u | paste -sd,)
"$WORK/openapi-gen" --logtostderr -i "$described" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
  -h hack/boilerplate/boilerplate.generatego.txt -r "$WORK/report"
$GO build -ldflags "-s -w" -o "$TARGET/bin/kube-apiserver" k8s.io/kubernetes/cmd/kube-apiserver
rm -rf "$WORK"
