package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// bootstrap polls once and answers with what reply makes of the event.
func bootstrap(t *testing.T, addr, verb string, reply func(event []byte) io.Reader) {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/2018-06-01/runtime/invocation/next")
	if err != nil {
		t.Error(err)
		return
	}
	event, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.ContentLength != -1 && len(event) > 2<<10 {
		t.Errorf("an event of %d bytes came with a length, which AWS does not tell", len(event))
	}
	if err != nil || resp.Header.Get("Lambda-Runtime-Aws-Request-Id") == "" || resp.Header.Get("Lambda-Runtime-Deadline-Ms") == "" {
		t.Errorf("polled %v, %v", resp.Header, err)
	}
	resp, err = http.Post("http://"+addr+"/2018-06-01/runtime/invocation/1/"+verb, "application/json", reply(event))
	if err != nil {
		t.Error(err)
		return
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestRuntimeAPI(t *testing.T) {
	event := noise(1 << 20)
	for name, reply := range map[string]func([]byte) io.Reader{
		"with a length": func(b []byte) io.Reader { return bytes.NewReader(b) },
		"chunked":       func(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b)) },
	} {
		t.Run(name, func(t *testing.T) {
			api, err := newRuntimeAPI()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(api.close)
			began := time.Now()
			go bootstrap(t, api.addr(), "response", reply)
			polled, err := api.ready(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r, err := api.invoke(t.Context(), event)
			if err != nil || !bytes.Equal(r.payload, event) {
				t.Fatalf("%d bytes (%v), want the event of %d", len(r.payload), err, len(event))
			}
			if polled.Before(began) || r.handedOut.Before(polled) || !r.answered.After(r.handedOut) {
				t.Errorf("polled %v, handed out %v, answered %v", polled, r.handedOut, r.answered)
			}
		})
	}
}

func TestRuntimeAPIFailures(t *testing.T) {
	api, err := newRuntimeAPI()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.close)
	go bootstrap(t, api.addr(), "error", func([]byte) io.Reader { return strings.NewReader("what went wrong") })
	if _, err := api.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := api.invoke(t.Context(), []byte("{}")); err == nil || !strings.Contains(err.Error(), "what went wrong") {
		t.Errorf("a failed function gives %v", err)
	}
	close(api.gone)
	if _, err := api.ready(t.Context()); !errors.Is(err, errExited) {
		t.Errorf("an exited function gives %v", err)
	}
}
