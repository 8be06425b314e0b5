package metrictest_test

import (
	"strings"
	"testing"

	"omr-relay/internal/metric/metrictest"
)

const good = `{"level":"INFO","f":"name","code":"x","calls":1,"ms":0.5,"_aws":{"Timestamp":1795654487204,"CloudWatchMetrics":[` +
	`{"Namespace":"n","Dimensions":[["f"],["f","code"]],"Metrics":[{"Name":"calls","Unit":"Count"}]},` +
	`{"Namespace":"n","Dimensions":[["f"]],"Metrics":[{"Name":"ms","Unit":"Milliseconds"}]}]}}`

func TestCheck(t *testing.T) {
	for _, line := range []string{good, `{"message":"start"}`} {
		if err := metrictest.Check([]byte(line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	_, directives, _ := strings.Cut(good, `"CloudWatchMetrics":`)
	for name, change := range map[string][2]string{
		"no JSON":                  {`{"level"`, `{level`},
		"a metric that is missing": {`"calls":1,`, ``},
		"a metric that is text":    {`"calls":1,`, `"calls":"1",`},
		"a metric without a unit":  {`,"Unit":"Count"`, ``},
		"a metric of both":         {`"Name":"ms","Unit":"Milliseconds"`, `"Name":"calls","Unit":"Count"`},
		"a dimension missing":      {`"code":"x",`, ``},
		"a dimension's number":     {`"code":"x",`, `"code":1,`},
		"an empty dimension":       {`"code":"x",`, `"code":"",`},
		"a dimension not ASCII":    {`"code":"x",`, `"code":"ü",`},
		"no time":                  {`"Timestamp":1795654487204,`, ``},
		"a time in seconds":        {`1795654487204`, `1795654487`},
		"no namespace":             {`"Namespace":"n","Dimensions":[["f"]]`, `"Dimensions":[["f"]]`},
		"no dimensions":            {`[["f"]]`, `[]`},
		"101 metrics":              {`{"Name":"ms","Unit":"Milliseconds"}`, strings.Repeat(`{"Name":"ms","Unit":"Milliseconds"},`, 100) + `{"Name":"ms","Unit":"Milliseconds"}`},
		"31 dimensions":            {`[["f"]]`, `[["f"` + strings.Repeat(`,"f"`, 30) + `]]`},
		"no directive":             {directives, `[]}}`},
	} {
		line := strings.Replace(good, change[0], change[1], 1)
		if line == good {
			t.Fatalf("%s: nothing is changed", name)
		}
		if metrictest.Check([]byte(line)) == nil {
			t.Errorf("%s is not found: %s", name, line)
		}
	}
}
