package metric

import (
	"bytes"
	"testing"
	"testing/synctest"
)

func TestCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		Counter{W: &out}.Count("Calls", 2, Dimension{"ApiKeyId", `a"c`})
		Counter{}.Count("Nothing", 1)
		want := `{"FunctionName":"","ApiKeyId":"a\"c","Calls":2,"_aws":{"Timestamp":946684800000,"CloudWatchMetrics":[{"Namespace":"omr-relay","Dimensions":[["FunctionName","ApiKeyId"]],"Metrics":[{"Name":"Calls","Unit":"Count"}]}]}}` + "\n"
		if out.String() != want {
			t.Errorf("wrote %s, want %s", &out, want)
		}
	})
}
