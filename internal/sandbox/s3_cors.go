package sandbox

import "net/http"

// allowPage lets the page that sent an upload read the answer, if the bucket's
// CORS configuration does.
func (s *S3) allowPage(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || s.AllowOrigin == "" || s.AllowOrigin != "*" && s.AllowOrigin != origin {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", s.AllowOrigin)
	h.Set("Access-Control-Allow-Methods", http.MethodPost)
	if s.AllowOrigin != "*" {
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
	case s.AllowOrigin == "":
		return forbidden("CORS is not enabled for this bucket.")
	case method != http.MethodPost || r.Header.Get("Access-Control-Request-Headers") != "" || !s.allowPage(w, r):
		return forbidden("This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.")
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
