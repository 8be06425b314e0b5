package sandbox

import (
	"net/http"
	"slices"
)

// allowPage lets the page that sent an upload read the answer, if the bucket's
// CORS configuration does.
func (s *S3) allowPage(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	named := slices.Contains(s.AllowOrigins, origin)
	if origin == "" || !named && !slices.Contains(s.AllowOrigins, "*") {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", http.MethodPost)
	h.Set("Access-Control-Allow-Origin", "*")
	if named {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	h.Set("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
	return true
}

// preflight answers a browser that asks first. The bucket allows POST, and no
// headers beyond those that need no asking.
func (s *S3) preflight(w http.ResponseWriter, r *http.Request) *s3Fault {
	method := r.Header.Get("Access-Control-Request-Method")
	forbidden := func(message string) *s3Fault {
		return &s3Fault{status: http.StatusForbidden, code: "AccessForbidden", message: "CORSResponse: " + message}
	}
	switch {
	case r.Header.Get("Origin") == "" || method == "":
		return &s3Fault{status: http.StatusBadRequest, code: "BadRequest", message: "Insufficient information. Origin request header needed."}
	case len(s.AllowOrigins) == 0:
		return forbidden("CORS is not enabled for this bucket.")
	case method != http.MethodPost || r.Header.Get("Access-Control-Request-Headers") != "" || !s.allowPage(w, r):
		return forbidden("This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.")
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
