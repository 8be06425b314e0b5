package layout

import "strings"

// Order is what the API was asked for. Its zero value is whatever lies under the
// prefix, at the upstream's own threshold.
type Order struct {
	// Name is what people call the batch.
	Name string `json:"name,omitempty"`
	// Threshold is a percentage; nil leaves it to the upstream.
	Threshold *int `json:"threshold,omitempty"`
	// Resubmit has sheets sent again that may have been paid for and have no result.
	Resubmit bool `json:"resubmit,omitempty"`
	// Folder is what the keys of the scans begin with, among the caller's uploads, where
	// Uploads does not name them one by one.
	Folder string `json:"folder,omitempty"`
	// Uploads are the scans, in the order of their rows.
	Uploads []OrderedUpload `json:"uploads,omitempty"`
}

// OrderedUpload is one of the caller's uploads.
type OrderedUpload struct {
	Upload string `json:"upload"`
	Name   string `json:"name,omitempty"` // of its row
}

// ValidFolder reports whether a caller may name it as the prefix of its uploads: it must
// not lead anywhere else, and ends in a slash.
func ValidFolder(folder string) bool {
	return len(folder) > 1 && len(folder) <= 512 && strings.HasSuffix(folder, "/") && !strings.HasPrefix(folder, "/") &&
		!strings.Contains("/"+folder, "/../") && !strings.Contains("/"+folder, "/./") && !strings.Contains(folder, "//")
}

// ValidID reports whether id could be an upload's, or the digest of a caller: 32
// hexadecimal digits.
func ValidID(id string) bool { return len(id) == 32 && strings.Trim(id, "0123456789abcdef") == "" }

// Valid reports whether an order can be carried out.
func (o *Order) Valid() bool {
	for _, u := range o.Uploads {
		if !ValidID(u.Upload) {
			return false
		}
	}
	return (o.Threshold == nil || *o.Threshold >= 0 && *o.Threshold <= 100) && (o.Folder == "" || ValidFolder(o.Folder))
}
