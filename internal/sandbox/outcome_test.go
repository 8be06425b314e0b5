package sandbox_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/sandbox"
)

func TestOutcomes(t *testing.T) {
	a := &sandbox.Aspose{}
	a.SetNotReady(0)
	a.SetOutcomes(sandbox.Outcome{Status: "Error", Messages: []string{"No markers."}},
		sandbox.Outcome{Status: "PartiallyNotFound", Data: true}, sandbox.Outcome{Status: "Processing"}, sandbox.Outcome{})
	for _, want := range []struct {
		status string
		data   bool
		said   []string
	}{{"Error", false, []string{"No markers."}}, {"PartiallyNotFound", true, nil}, {"Processing", false, nil}, {"Ok", true, nil}, {"Ok", true, nil}} {
		id := submit(t, a, recognize+"/PostRecognizeTemplate", `{"images":["AAAA"],"omrFile":"AAAA"}`)
		for range 2 {
			_, body := asposeCall(t, a, http.MethodGet, recognize+"/GetRecognizeTemplate?id="+id, "")
			var got struct {
				ResponseStatusCode string
				Results            []sandboxResult
				Error              *struct{ Messages, Warnings []string }
			}
			if err := json.Unmarshal([]byte(body), &got); err != nil || got.ResponseStatusCode != want.status || len(got.Results) > 0 != want.data {
				t.Errorf("%s: %v, want %+v", body, err, want)
			}
			if (got.Error == nil) != (want.said == nil) || got.Error != nil && !slices.Equal(got.Error.Messages, want.said) {
				t.Errorf("%s: error, want %q", body, want.said)
			}
		}
	}
}

func TestReadyAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &sandbox.Aspose{}
		a.SetReadyAfter(3 * time.Second)
		id := submit(t, a, recognize+"/PostRecognizeTemplate", `{"images":["AAAA"],"omrFile":"AAAA"}`)
		var got []string
		for range 4 {
			got = append(got, poll(t, a, recognize+"/GetRecognizeTemplate?id="+id).ResponseStatusCode)
			time.Sleep(time.Second)
		}
		if want := []string{"NotReady", "NotReady", "NotReady", "Ok"}; !slices.Equal(got, want) {
			t.Errorf("polls %v, want %v", got, want)
		}
	})
}

// Only the first image counts, and it may have one page.
func TestPagesAreRefused(t *testing.T) {
	tiff := func(pages int) string {
		data := []byte("II*\x00\x08\x00\x00\x00")
		for page := range pages {
			next := byte(len(data) + 6)
			if page == pages-1 {
				next = 0
			}
			data = append(data, 0, 0, next, 0, 0, 0)
		}
		return base64.StdEncoding.EncodeToString(data)
	}
	pdf := func(pages string) string {
		return base64.StdEncoding.EncodeToString([]byte("%PDF-1.4\n2 0 obj <</Type/Pages /Count " + pages + ">>"))
	}
	for images, want := range map[string]string{
		`"` + pdf("1") + `"`: "Ok",
		`"` + pdf("3") + `"`: "Error",
		`"` + base64.StdEncoding.EncodeToString([]byte("MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x08")) + `"`: "Error",
		`"` + base64.StdEncoding.EncodeToString([]byte("MM\x00*\x00\x00\x00\x09")) + `"`:                         "Ok",
		`"` + tiff(1) + `"`:                       "Ok",
		`"` + tiff(2) + `"`:                       "Error",
		`"` + tiff(1) + `","` + tiff(2) + `"`:     "Ok",
		`"` + tiff(2) + `","` + tiff(1) + `"`:     "Error",
		`"` + tiff(1) + `","","` + tiff(1) + `"`:  "", // each must be one all the same
		`"` + tiff(12) + `","` + tiff(1) + `"`:    "Error",
		`"AAAA","` + tiff(2) + `"`:                "Ok",
		`"` + tiff(2)[:8] + `","` + tiff(1) + `"`: "Ok", // broken off: it cannot be told
	} {
		a := &sandbox.Aspose{}
		a.SetNotReady(0)
		resp, id := asposeCall(t, a, http.MethodPost, recognize+"/PostRecognizeTemplate", `{"images":[`+images+`],"omrFile":"AAAA"}`)
		if want == "" {
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %d", images, resp.StatusCode)
			}
			continue
		}
		_, body := asposeCall(t, a, http.MethodGet, recognize+"/GetRecognizeTemplate?id="+id, "")
		var got struct{ ResponseStatusCode string }
		if err := json.Unmarshal([]byte(body), &got); err != nil || got.ResponseStatusCode != want {
			t.Errorf("%s: %s, want %s", images, body, want)
		}
	}
}

func TestReadyBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &sandbox.Aspose{}
		a.SetNotReady(3)
		a.SetReadyBy(2 * time.Second)
		id := submit(t, a, recognize+"/PostRecognizeTemplate", `{"images":["AAAA"],"omrFile":"AAAA"}`)
		var got []string
		for range 3 {
			got = append(got, poll(t, a, recognize+"/GetRecognizeTemplate?id="+id).ResponseStatusCode)
			time.Sleep(time.Second)
		}
		if want := []string{"NotReady", "NotReady", "Ok"}; !slices.Equal(got, want) {
			t.Errorf("polls %v, want %v", got, want)
		}
	})
}
