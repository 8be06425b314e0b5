package handler

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"omr-relay/handler/gateway"
	"omr-relay/internal/problem"
)

// upload gives a form for one upload. What it would not heed, it refuses: whoever
// sends the file itself must not believe it kept.
func (h *Handler) upload(ctx context.Context, inv *invocation, _ target) (*gateway.Answer, error) {
	if h.cfg.NewUploadForm == nil {
		return nil, &problem.Error{Code: problem.RouteNotFound,
			Detail: "There is no bucket here to upload to: the template's parameter Scans=create makes one."}
	}
	if err := checkNoInput(inv.event.Request); err != nil {
		return nil, err
	}
	form, err := h.cfg.NewUploadForm(ctx, inv.event.Request.Caller.Digest())
	if err != nil {
		return nil, err
	}
	form.Curl = curlOf(form)
	body, _ := json.Marshal(form) // plain values always marshal
	header := http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}
	return answerWith(http.StatusOK, header, string(body)+"\n"), nil
}

// checkNoInput takes a body that says nothing: clients send an empty object where
// there is nothing to say.
func checkNoInput(req *gateway.Request) error {
	if req.Fault != nil {
		return req.Fault
	}
	if body := strings.TrimSpace(string(req.Body.B[:min(len(req.Body.B), 64)])); req.Query != "" || len(req.Body.B) > 64 || body != "" && body != "{}" {
		return &problem.Error{Code: problem.InvalidInput,
			Detail: "POST /uploads takes neither body nor query: its answer says where the file is sent, and how."}
	}
	return nil
}

// curlOf is the command that sends a file by the form. --form-string keeps curl from
// reading anything into a value.
func curlOf(form *UploadForm) string {
	command := []string{"curl -sS --fail-with-body"}
	for _, name := range slices.Sorted(maps.Keys(form.Fields)) {
		command = append(command, "--form-string", quoted(name+"="+form.Fields[name]))
	}
	return strings.Join(append(command, "-F file=@scan.jpg", quoted(form.URL)), " ")
}

// quoted is text as one word of a POSIX shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
