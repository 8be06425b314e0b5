package batch

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"

	"omr-relay/internal/batch/layout"
	"omr-relay/internal/bucket"
	"omr-relay/internal/document"
)

// sheet is a line of the manifest: a row of the tables.
type sheet struct {
	Number int    `json:"n"`
	Image  string `json:"image"` // the name of its row
	ID     string `json:"id,omitempty"`
	// Same is the number of an earlier sheet with the same content; 0 is none.
	Same int `json:"same,omitempty"`
	// Fault is why it cannot be recognized.
	Fault string `json:"fault,omitempty"`
}

// source is a scan, before it is known how many sheets it has.
type source struct {
	name string
	key  string
	etag string
	size int64
}

// copying is how many scans are looked at, and copied, beside one another.
const copying = 32

// manifest makes the list of sheets, and of the items that the map goes through: those
// that have no result yet, each content once.
func (r *Runner) manifest(ctx context.Context, in Input) (*Output, error) {
	order, pattern, err := r.order(ctx, in.Prefix)
	if err != nil {
		return nil, err
	}
	sources, err := r.sources(ctx, in.Prefix, order)
	if err != nil {
		return nil, err
	}
	if len(sources) > r.MaxSheets {
		return nil, errTooMany(r.MaxSheets)
	}
	if len(sources) == 0 {
		return nil, fault(NoScans, "there are no scans under the prefix", nil)
	}
	found := make([][]sheet, len(sources))
	digest := hex.EncodeToString(sum(pattern))
	numbers := &numbering{most: r.MaxSheets}
	err = beside(ctx, copying, len(sources), func(ctx context.Context, i int) error {
		found[i], err = r.take(ctx, in.Prefix, sources[i], order, digest, numbers)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r.list(ctx, in.Prefix, found)
}

// numbering gives copies their numbers, which are not those of rows.
type numbering struct {
	mu   sync.Mutex
	last int
	most int
}

func (n *numbering) next() (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.last >= n.most {
		return 0, errTooMany(n.most)
	}
	n.last++
	return n.last, nil
}

func errTooMany(most int) error {
	return fault(TooManySheets, fmt.Sprintf("a batch has %d sheets at most", most), nil)
}

func sum(data []byte) []byte {
	s := sha256.Sum256(data)
	return s[:]
}

// sources are the batch's scans: those of the order, or what lies under the prefix.
func (r *Runner) sources(ctx context.Context, prefix string, order *layout.Order) ([]source, error) {
	var all []source
	for i, u := range order.Uploads {
		name := u.Name
		if name == "" {
			name = strconv.Itoa(i + 1)
		}
		all = append(all, source{name: name, key: bucket.UploadKey(callerOf(prefix), u.Upload)})
	}
	if order.Uploads != nil {
		return all, nil
	}
	from := prefix
	if order.Folder != "" {
		from = bucket.UploadKey(callerOf(prefix), order.Folder)
	}
	err := r.Files.List(ctx, from, func(e bucket.Entry) error {
		name := strings.TrimPrefix(e.Key, from)
		if name == layout.Pattern || name == layout.Ordered || strings.HasPrefix(name, layout.Work) || strings.HasPrefix(name, layout.Results) || strings.HasSuffix(name, "/") {
			return nil
		}
		if all = append(all, source{name: name, key: e.Key, etag: e.ETag, size: e.Size}); len(all) > r.MaxSheets {
			return errTooMany(r.MaxSheets)
		}
		return nil
	})
	if f, ok := errors.AsType[*Fault](err); ok {
		return nil, f
	}
	if err != nil {
		return nil, unavailable("listing the scans", err)
	}
	return all, nil
}

// take looks at one scan and copies it, a page each, to where it lives as long as the
// batch's results. What cannot be recognized becomes a sheet with its fault.
func (r *Runner) take(ctx context.Context, prefix string, s source, order *layout.Order, pattern string, numbers *numbering) ([]sheet, error) {
	scan, err := r.Files.Find(ctx, s.key)
	if errors.Is(err, fs.ErrNotExist) {
		return []sheet{{Image: s.name, Fault: "it is not there: not sent whole, or older than a day"}}, nil
	}
	if err != nil {
		return nil, unavailable("reading a scan", err)
	}
	kind := document.Identify(scan.Head)
	if !kind.Readable() {
		return []sheet{{Image: s.name, Fault: refusal(kind)}}, nil
	}
	if kind == document.PDF || kind == document.TIFF {
		return r.takePages(ctx, prefix, s, scan, order, pattern, numbers)
	}
	number, err := numbers.next()
	if err != nil {
		return nil, err
	}
	if err := r.Files.Copy(ctx, s.key, scanKey(prefix, number)); err != nil {
		return nil, unavailable("copying a scan", err)
	}
	return []sheet{{Number: number, Image: s.name, ID: sheetID(scan.ETag(), pattern, order)}}, nil
}

func refusal(kind document.Kind) string {
	switch kind {
	case document.Empty:
		return "it is empty"
	case document.HEIC, document.AVIF, document.WebP:
		return string(kind) + ", which Aspose does not read: convert it to JPEG"
	case document.Damaged:
		return "damaged: something on its way here took it for text"
	default:
		return "not a scan: its content is none of JPEG, PNG, GIF, TIFF, BMP and PDF"
	}
}

// list writes the manifest, and the items: what has no result yet, each content once.
func (r *Runner) list(ctx context.Context, prefix string, found [][]sheet) (*Output, error) {
	lines, err := os.CreateTemp("", "sheets-")
	if err != nil {
		return nil, unavailable("keeping the manifest", err)
	}
	defer discard(lines)
	items, err := os.CreateTemp("", "items-")
	if err != nil {
		return nil, unavailable("keeping the items", err)
	}
	defer discard(items)
	out, rows := bufio.NewWriter(lines), csv.NewWriter(items)
	_ = rows.Write([]string{"n", "id"}) // errors show in the end
	first := map[string]int{}
	count, todo := 0, 0
	for _, sheets := range found {
		for _, s := range sheets {
			count++
			if s.Fault == "" {
				if s.Same = first[s.ID]; s.Same == 0 {
					first[s.ID] = count
					todo++
					_ = rows.Write([]string{strconv.Itoa(s.Number), s.ID})
				}
			}
			line, _ := json.Marshal(s) // plain values always marshal
			_, _ = out.Write(append(line, '\n'))
		}
	}
	rows.Flush()
	if err := errors.Join(out.Flush(), rows.Error()); err != nil {
		return nil, unavailable("keeping the manifest", err)
	}
	for key, file := range map[string]*os.File{manifestKey(prefix): lines, itemsKey(prefix): items} {
		if err := r.store(ctx, key, file, "text/plain"); err != nil {
			return nil, err
		}
	}
	return &Output{Items: itemsKey(prefix), Sheets: todo, Concurrency: r.Most, Work: prefix + strings.TrimSuffix(layout.Work, "/")}, nil
}

// store writes a file of this machine's to the bucket.
func (r *Runner) store(ctx context.Context, key string, file *os.File, contentType string) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return unavailable("reading what was kept", err)
	}
	if err := r.Files.Write(ctx, key, file, contentType); err != nil {
		return unavailable("writing to the bucket", err)
	}
	return nil
}

func discard(file *os.File) {
	_ = file.Close()
	_ = os.Remove(file.Name())
}

// beside calls do for 0 to n-1, most at a time, until one fails.
func beside(ctx context.Context, most, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, most)
	var running sync.WaitGroup
	for i := range n {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		running.Go(func() {
			defer func() { <-slots }()
			if err := do(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
