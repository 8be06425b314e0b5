package batch

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"omr-relay/internal/batch/layout"
	"omr-relay/internal/bucket"
	"omr-relay/internal/budget"
)

// copying is how many scans are looked at, and copied, beside one another.
const copying = 64

// manifest makes the list of sheets, and of the items that the map goes through: those
// that have no result yet, each content once. It takes two thirds of the time that an
// invocation has, and goes on in the next.
func (r *Runner) manifest(ctx context.Context, in Input) (*Output, error) {
	end := time.Now().Add(left(ctx, budget.BatchFunction) * 2 / 3)
	order, err := r.order(ctx, in.Prefix)
	if err != nil {
		return nil, err
	}
	pattern, err := r.givenPattern(ctx, in)
	if err != nil {
		return nil, err
	}
	sources, err := r.sources(ctx, in.Prefix, order)
	if err != nil {
		return nil, err
	}
	if len(sources) == 0 {
		return nil, fault(NoScans, "there are no scans under the prefix")
	}
	t := &taker{Runner: r, in: in, pattern: pattern, terms: termsOf(order), end: end, splitting: make(chan struct{}, 1)}
	out := &Output{State: Done, Items: itemsKey(in.Prefix), Work: in.Prefix + strings.TrimSuffix(layout.Work, "/"), Concurrency: max(r.Most, 1)}
	found, all, err := t.takeAll(ctx, sources)
	if err != nil {
		return nil, err
	}
	if !all {
		out.State, out.Seconds = Manifest, 1
		return out, t.keepFound(ctx, found)
	}
	out.Sheets, err = t.list(ctx, sources, found)
	return out, err
}

// sources are the batch's scans: those of the order, or what lies under the prefix.
func (r *Runner) sources(ctx context.Context, prefix string, order *layout.Order) (all []source, err error) {
	add := func(s source) error {
		if all = append(all, s); len(all) > r.MaxSheets {
			return errTooMany(r.MaxSheets)
		}
		return nil
	}
	for i, u := range order.Uploads {
		name := u.Name
		if name == "" {
			name = strconv.Itoa(i + 1)
		}
		if err := add(source{Name: name, Key: bucket.UploadKey(callerOf(prefix), u.Upload)}); err != nil {
			return nil, err
		}
	}
	if order.Uploads != nil {
		return all, nil
	}
	from := prefix
	if order.Folder != "" {
		from = bucket.UploadKey(callerOf(prefix), order.Folder)
	}
	err = r.Files.List(ctx, from, func(e bucket.Entry) error {
		name := strings.TrimPrefix(e.Key, from)
		if from == prefix && own(name) || hidden(name) {
			return nil
		}
		return add(source{Name: name, Key: e.Key, ETag: e.ETag})
	})
	if err != nil {
		return nil, unavailable("listing the scans", err)
	}
	return all, nil
}

// own reports whether a name is of what a batch has beside its scans.
func own(name string) bool {
	return name == layout.Pattern || name == layout.Ordered || strings.HasPrefix(name, layout.Work) || strings.HasPrefix(name, layout.Results)
}

// hidden reports whether a name is none that a person gave: of folders, as S3's console
// makes them, and of what macOS leaves in every one.
func hidden(name string) bool {
	return strings.HasSuffix(name, "/") || strings.HasPrefix(name[strings.LastIndexByte(name, '/')+1:], ".")
}

// takeAll takes the scans, but for those that an earlier invocation took; all is false
// where the end came first.
func (t *taker) takeAll(ctx context.Context, sources []source) (found finds, all bool, err error) {
	if found, err = t.foundBefore(ctx); err != nil {
		return nil, false, err
	}
	var todo []source
	var rows atomic.Int64
	seen := map[source]bool{} // one may be named twice
	for _, s := range sources {
		if sheets, ok := found[s]; ok {
			rows.Add(int64(len(sheets)))
		} else if !seen[s] {
			seen[s] = true
			todo = append(todo, s)
		}
	}
	taken := make([][]sheet, len(todo))
	var late atomic.Bool
	begun, err := beside(ctx, copying, len(todo), t.end, func(ctx context.Context, i int) error {
		sheets, err := t.take(ctx, todo[i])
		if errors.Is(err, errLater) {
			late.Store(true)
			return nil
		}
		if err != nil {
			return err
		}
		if rows.Add(int64(len(sheets))) > int64(t.MaxSheets) {
			return errTooMany(t.MaxSheets)
		}
		taken[i] = sheets
		return nil
	})
	if err != nil {
		return nil, false, unavailable("taking the scans", err)
	}
	for i, s := range todo[:begun] {
		if taken[i] != nil {
			found[s] = taken[i]
		}
	}
	return found, begun == len(todo) && !late.Load(), nil
}

// list writes the manifest, the items, the pattern, and the terms. It returns how many items there
// are.
func (t *taker) list(ctx context.Context, sources []source, found finds) (items int, err error) {
	manifest, err := newDraft()
	if err != nil {
		return 0, err
	}
	defer manifest.remove()
	toDo, err := newDraft()
	if err != nil {
		return 0, err
	}
	defer toDo.remove()
	lines, rows := json.NewEncoder(manifest), csv.NewWriter(toDo) // errors show in store
	_ = rows.Write([]string{"scan"})
	first, count := map[string]string{}, 0
	for _, of := range sources {
		for _, s := range found[of] {
			if count++; count > t.MaxSheets {
				return 0, errTooMany(t.MaxSheets)
			}
			name, again := first[s.Sheet]
			switch {
			case s.Fault != "":
			case again:
				s.Same = name
			default:
				if first[s.Sheet] = s.Image; !s.Known {
					items++
					_ = rows.Write([]string{s.Scan})
				}
			}
			_ = lines.Encode(s)
		}
	}
	rows.Flush()
	if err := t.store(ctx, manifestKey(t.in.Prefix, t.in.Execution), manifest, "application/jsonl"); err != nil {
		return 0, err
	}
	if err := t.store(ctx, itemsKey(t.in.Prefix), toDo, "text/csv"); err != nil {
		return 0, err
	}
	if err := t.keepPattern(ctx, t.in.Prefix, t.pattern); err != nil {
		return 0, err
	}
	return items, t.writeTerms(ctx, t.in.Prefix, t.terms)
}
