// refreg ADDRESS [CERTIFICATE KEY] serves go-containerregistry's in-memory registry with the referrers API on a loopback
// address. That registry lists referrers but does not say so when a manifest is pushed; the OCI-Subject header of
// distribution-spec 1.1 is added here, so that clients know that they need not write the fallback tag.
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	inner := registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0)))
	handler := http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodPut && strings.Contains(request.URL.Path, "/manifests/") {
			body, err := io.ReadAll(io.LimitReader(request.Body, 4<<20))
			if err != nil {
				http.Error(answer, err.Error(), http.StatusBadRequest)
				return
			}
			request.Body = io.NopCloser(bytes.NewReader(body))
			var manifest struct {
				Subject *struct {
					Digest string `json:"digest"`
				} `json:"subject"`
			}
			if json.Unmarshal(body, &manifest) == nil && manifest.Subject != nil {
				answer.Header().Set("OCI-Subject", manifest.Subject.Digest)
			}
		}
		inner.ServeHTTP(answer, request)
	})
	if len(os.Args) == 4 {
		log.Fatal(http.ListenAndServeTLS(os.Args[1], os.Args[2], os.Args[3], handler))
	}
	log.Fatal(http.ListenAndServe(os.Args[1], handler))
}
