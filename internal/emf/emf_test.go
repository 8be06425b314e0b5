package emf

import (
	"bytes"
	"testing"
	"testing/synctest"
)

func TestCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		Counter{W: &out}.Count("Calls", 2, Dimension{"ApiKeyId", "abc"})
		Counter{}.Count("Nothing", 1)
		want := `{"ApiKeyId":"abc","Calls":2,"FunctionName":"","_aws":{"CloudWatchMetrics":[{"Namespace":"omr-relay","Dimensions":[["FunctionName","ApiKeyId"]],"Metrics":[{"Name":"Calls","Unit":"Count"}]}],"Timestamp":946684800000}}` + "\n"
		if out.String() != want {
			t.Errorf("wrote %s, want %s", &out, want)
		}
	})
}
