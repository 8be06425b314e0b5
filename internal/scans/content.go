package scans

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"
)

// pdfContent tells a PDF of one page by the objects that the page is made of. The
// bytes will not do: whenever a page is taken out of a file, its objects come in
// another order, and with them the time and a new ID.
func pdfContent(page []byte) (string, error) {
	file, err := api.ReadContext(bytes.NewReader(page), model.NewDefaultConfiguration())
	if err != nil {
		return "", err
	}
	catalog, err := file.Catalog()
	if err != nil {
		return "", err
	}
	c := &contentHash{file: file, hash: sha256.New(), numbers: map[types.Integer]int{}}
	if err := c.add(catalog); err != nil {
		return "", err
	}
	return hex.EncodeToString(c.hash.Sum(nil)), nil
}

// contentHash walks objects in an order that only what they hold decides.
type contentHash struct {
	file    *model.Context
	hash    hash.Hash
	numbers map[types.Integer]int // of the file → of the walk
}

func (c *contentHash) add(object types.Object) error {
	switch o := object.(type) {
	case types.IndirectRef:
		if met, ok := c.numbers[o.ObjectNumber]; ok {
			c.write("again", met)
			return nil
		}
		c.numbers[o.ObjectNumber] = len(c.numbers)
		target, err := c.file.Dereference(o)
		if err != nil {
			return err
		}
		return c.add(target)
	case types.Dict:
		c.write("dictionary", len(o))
		for _, key := range slices.Sorted(maps.Keys(o)) {
			c.write("key", key)
			if err := c.add(o[key]); err != nil {
				return err
			}
		}
	case types.StreamDict:
		c.write("stream", len(o.Raw))
		_, _ = c.hash.Write(o.Raw) // a hash takes everything
		return c.add(o.Dict)
	case types.Array:
		c.write("array", len(o))
		for _, element := range o {
			if err := c.add(element); err != nil {
				return err
			}
		}
	case nil, types.Boolean, types.Integer, types.Float, types.Name, types.StringLiteral, types.HexLiteral:
		c.write(fmt.Sprintf("%T", object), object)
	default:
		return fmt.Errorf("a %T on a page", object)
	}
	return nil
}

func (c *contentHash) write(what string, value any) {
	_, _ = fmt.Fprintf(c.hash, "%s %q\n", what, fmt.Sprint(value))
}
