package layout

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// Order is what the API was asked for. Its zero value is whatever lies under the
// prefix, at the upstream's own threshold.
type Order struct {
	// Request is the same for the same request to the API, and for no other.
	Request string `json:"request,omitempty"`
	// Name is what people call the batch.
	Name string `json:"name,omitempty"`
	// Threshold is a percentage; nil leaves it to the upstream.
	Threshold *int `json:"threshold,omitempty"`
	// Resubmit has sheets sent again that may have been paid for and have no result.
	Resubmit bool `json:"resubmit,omitempty"`
	// Folder is what the keys of the scans begin with, among the caller's uploads, where
	// Uploads does not name them one by one.
	Folder string `json:"folder,omitempty"`
	// Uploads are the scans, in the order of their rows. They are the last member: who
	// wants to know the rest need not read so far.
	Uploads []OrderedUpload `json:"uploads,omitempty"`
}

// OrderedUpload is one of the caller's uploads.
type OrderedUpload struct {
	Upload string `json:"upload"`
	Name   string `json:"name,omitempty"` // of its row
}

// Head reads an order without its Uploads, which may be megabytes.
func Head(r io.Reader) (Order, error) {
	var o Order
	text := json.NewDecoder(r)
	if open, err := text.Token(); err != nil || open != json.Delim('{') {
		return Order{}, errOrder
	}
	for text.More() {
		name, err := text.Token()
		if err == nil {
			switch name {
			case "request":
				err = text.Decode(&o.Request)
			case "name":
				err = text.Decode(&o.Name)
			case "threshold":
				err = text.Decode(&o.Threshold)
			case "resubmit":
				err = text.Decode(&o.Resubmit)
			case "folder":
				err = text.Decode(&o.Folder)
			default:
				return o, nil
			}
		}
		if err != nil {
			return Order{}, errOrder
		}
	}
	if _, err := text.Token(); err != nil {
		return Order{}, errOrder
	}
	return o, nil
}

var errOrder = errors.New("it is not an order")

// ValidFolder reports whether a caller may name it as the prefix of its uploads: it must
// not lead anywhere else, and ends in a slash.
func ValidFolder(folder string) bool {
	return len(folder) > 1 && len(folder) <= 512 && strings.HasSuffix(folder, "/") && !strings.HasPrefix(folder, "/") &&
		!strings.Contains("/"+folder, "/../") && !strings.Contains("/"+folder, "/./") && !strings.Contains(folder, "//")
}

// ValidID reports whether id could be an upload's or a batch's, or the digest of a
// caller: 32 hexadecimal digits.
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
