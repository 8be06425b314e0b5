package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"omr-relay/internal/sandbox"
)

// arrived is what is told of the calls so far, and of the latest one.
type arrived struct {
	Calls   int      `json:"calls"`
	Mints   int      `json:"mints"`
	Method  string   `json:"method,omitempty"`
	Target  string   `json:"target,omitempty"`
	Headers []string `json:"headers,omitempty"` // names alone
	Length  int      `json:"length"`
	SHA256  string   `json:"sha256,omitempty"`
}

// newControl serves
//
//	GET  /arrived      what arrived
//	POST /revoke       ends every token
//	POST /accept       takes {"client_id","client_secret"} alone from now on
//	POST /accept-any   takes any credentials
//	GET  /submitted    how many recognitions were taken, of how many contents, and the same one how often
//	POST /forget       counts them anew
//	POST /slow         has recognitions taken {"milliseconds"} after they arrived
//	POST /ready-by     has new tasks ready at {"milliseconds"} of age, if not at the second poll; 0: never so
func newControl(services *sandbox.Sandbox, counted *submissions) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /submitted", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, counted.told()) })
	mux.HandleFunc("POST /forget", func(http.ResponseWriter, *http.Request) { counted.forget() })
	mux.HandleFunc("POST /slow", func(w http.ResponseWriter, r *http.Request) {
		if age, ok := milliseconds(w, r); ok {
			counted.slow.Store(int64(age))
		}
	})
	mux.HandleFunc("GET /arrived", func(w http.ResponseWriter, _ *http.Request) {
		seen := arrived{Calls: services.Aspose.Count(), Mints: services.Token.Mints()}
		for _, r := range services.Aspose.Requests() {
			sum := sha256.Sum256(r.Body)
			seen.Method, seen.Target, seen.Length, seen.SHA256 = r.Method, r.Target, len(r.Body), hex.EncodeToString(sum[:])
			seen.Headers = slices.Sorted(maps.Keys(r.Header))
		}
		writeJSON(w, seen)
	})
	mux.HandleFunc("POST /revoke", func(http.ResponseWriter, *http.Request) { services.Token.RevokeAll() })
	mux.HandleFunc("POST /accept-any", func(http.ResponseWriter, *http.Request) { services.Token.AcceptAny() })
	mux.HandleFunc("POST /accept", func(w http.ResponseWriter, r *http.Request) {
		var only struct {
			ClientID     string `json:"client_id"`
			ClientSecret string `json:"client_secret"`
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&only); err != nil || only.ClientID == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		services.Token.Accept(only.ClientID, only.ClientSecret)
	})
	mux.HandleFunc("POST /ready-by", func(w http.ResponseWriter, r *http.Request) {
		if age, ok := milliseconds(w, r); ok {
			services.Aspose.SetReadyBy(age)
		}
	})
	return mux
}

func milliseconds(w http.ResponseWriter, r *http.Request) (time.Duration, bool) {
	var age struct{ Milliseconds int }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&age); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return 0, false
	}
	return time.Duration(age.Milliseconds) * time.Millisecond, true
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a client that left needs no answer
}
