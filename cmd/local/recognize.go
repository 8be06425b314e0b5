package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"omr-relay/internal/document"
	"omr-relay/internal/journal"
	"omr-relay/internal/omr"
	"omr-relay/internal/recognition"
	"omr-relay/internal/scans"
	"omr-relay/internal/table"
)

// recognizeOptions are recognize's flags.
type recognizeOptions struct {
	pattern, output, format string
	threshold               int // -1 is none
	jobs                    int
	url, key                string
	sample, resubmit, skip  bool
}

const (
	maxPattern = 20 << 20
	maxSplit   = 256 << 20
	maxPages   = 1000
	maxSheets  = 20_000
	maxJobs    = 64
)

// job is one recognize, found to be possible.
type job struct {
	console
	recognizeOptions
	service *service
	format  omr.Format
	pattern []byte
	set     *scans.Set
	sheets  []recognition.Sheet
	journal *journal.Journal
}

// recognize prints, or writes, one table of the answers of all scans. Whatever is
// wrong with the command line, the files or the places to write to is told before
// anything is sent.
func recognize(ctx context.Context, c console, names []string, o recognizeOptions) (err error) {
	j := &job{console: c, recognizeOptions: o}
	if err := j.judgeFlags(); err != nil {
		return err
	}
	if j.service, err = chooseService(ctx, c, o); err != nil {
		return err
	}
	defer j.service.close()
	if err := j.prepare(ctx, names); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.set.Close()) }()
	if err := j.service.check(ctx); err != nil {
		return err
	}
	if err := j.openJournal(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.journal.Close()) }()
	return j.run(ctx)
}

func (j *job) judgeFlags() error {
	switch format := strings.ToUpper(j.recognizeOptions.format); {
	case format == "" && filepath.Ext(j.output) == "":
		j.format = omr.CSV
	case format == "":
		if j.format = formatOf(j.output); j.format == "" {
			return &usageError{printable(j.output) + " ends in neither .csv, .json nor .xml: choose with --format what is written to it"}
		}
	case format == "CSV" || format == "JSON" || format == "XML":
		j.format = omr.Format(format)
	default:
		return &usageError{"--format must be csv, json or xml"}
	}
	switch {
	case j.recognizeOptions.pattern == "":
		return &usageError{"--pattern is missing: the .omr file that was generated with the form"}
	case j.threshold < -1 || j.threshold > 100:
		return &usageError{"--threshold must be between 0 and 100"}
	case j.jobs < 1 || j.jobs > maxJobs:
		return &usageError{fmt.Sprintf("--jobs must be between 1 and %d", maxJobs)}
	}
	return nil
}

// formatOf is what an output's name says, empty if that is nothing.
func formatOf(path string) omr.Format {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv":
		return omr.CSV
	case ".json":
		return omr.JSON
	case ".xml":
		return omr.XML
	}
	return ""
}

// prepare reads the pattern and looks for the scans. Its error has all that is
// wrong.
func (j *job) prepare(ctx context.Context, names []string) error {
	var faults []string
	var err error
	if j.pattern, err = readPattern(j.recognizeOptions.pattern); err != nil {
		faults = append(faults, err.Error())
	}
	if j.output != "" {
		for _, path := range []string{j.output, j.beside("exceptions.csv")} {
			if err := table.Writable(path); err != nil {
				faults = append(faults, err.Error())
				break // the other would say the same
			}
		}
	}
	leftOut := []string{j.recognizeOptions.pattern}
	if j.output != "" {
		leftOut = append(leftOut, j.output)
	}
	if err = j.find(ctx, names, leftOut); err != nil {
		return err
	}
	if !j.skip || len(j.set.Sheets) == 0 {
		for _, f := range j.set.Faults {
			faults = append(faults, f.Error())
		}
	}
	if len(faults) == 0 {
		j.keySheets()
		return nil
	}
	hint := ""
	if len(j.set.Faults) > 0 && len(j.set.Sheets) > 0 && !j.skip {
		hint = "\n--skip-unreadable goes on without such scans, and lists them as exceptions"
	}
	return errors.Join(&usageError{"nothing was sent:\n  " + strings.Join(faults, "\n  ") + hint}, j.set.Close())
}

// find looks for the scans. Whether a relay takes those that are too large for a call
// is asked where there are some.
func (j *job) find(ctx context.Context, names, leftOut []string) (err error) {
	limits := scans.Limits{Sheet: j.inCall(), File: maxSplit, Pages: maxPages, Count: maxSheets}
	if j.service.uploader == nil {
		j.set, err = scans.Find(names, limits, leftOut...)
		return err
	}
	limits.Sheet = uploadBytes
	if j.set, err = scans.Find(names, limits, leftOut...); err != nil {
		return err
	}
	if !slices.ContainsFunc(j.set.Sheets, func(s scans.Sheet) bool { return s.Size > j.inCall() }) {
		return nil
	}
	if err := j.service.check(ctx); err != nil {
		return errors.Join(err, j.set.Close())
	}
	switch available, err := j.service.uploader.available(ctx); {
	case err != nil:
		return errors.Join(fmt.Errorf("asking the relay for its bucket: %w", err), j.set.Close())
	case available:
		return nil
	}
	limits.Sheet = j.inCall()
	if err := j.set.Close(); err != nil {
		return err
	}
	j.set, err = scans.Find(names, limits, leftOut...)
	return err
}

// inCall is what a scan may have to go in a call, beside the pattern.
func (j *job) inCall() int64 { return j.service.maxBytes - int64(len(j.pattern)) }

// submit is recognition's, for scans of any size.
func (j *job) submit(ctx context.Context, sheet recognition.Sheet, task *omr.Task) (string, error) {
	if sheet.Document.Size <= j.inCall() {
		return j.service.client.Submit(ctx, omr.Recognition, task)
	}
	return j.service.uploader.submit(ctx, sheet, submission{pattern: j.pattern, format: j.format, threshold: j.thresholdOrNone()})
}

func readPattern(path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // the user names a file of their own
	if err != nil {
		return nil, fmt.Errorf("reading the pattern: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(file, maxPattern+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the pattern: %w", err)
	case len(data) > maxPattern:
		return nil, fmt.Errorf("%s: more than %s, which no recognition pattern has", path, size(maxPattern))
	case document.Identify(data).Readable():
		return nil, fmt.Errorf("%s: a scan, and no recognition pattern: --pattern takes the .omr file that was generated with the form", path)
	case !document.IsPattern(data):
		return nil, fmt.Errorf("%s: no recognition pattern: --pattern takes the .omr file that was generated with the form", path)
	}
	return data, nil
}

// keySheets tells sheets apart by what is recognized, and how. Samples have keys
// of their own: nobody must take them for answers.
func (j *job) keySheets() {
	pattern := sha256.Sum256(j.pattern)
	for i := range j.set.Sheets {
		s := &j.set.Sheets[i]
		text := fmt.Sprintf("%s %x %s %d %t", s.Content, pattern, j.format, j.threshold, j.service.sample)
		key := sha256.Sum256([]byte(text))
		j.sheets = append(j.sheets, recognition.Sheet{
			Key: hex.EncodeToString(key[:]), Document: omr.Document{Size: s.Size, Open: s.Open},
		})
	}
}

// beside is the path of a file that goes with the output.
func (j *job) beside(what string) string {
	return strings.TrimSuffix(j.output, filepath.Ext(j.output)) + "." + what
}

// openJournal opens the output's. What is printed has none that would outlast it,
// and samples cost nothing.
func (j *job) openJournal() (err error) {
	if j.output == "" || j.service.sample {
		j.journal, err = journal.Temporary()
		return err
	}
	if j.journal, err = journal.Open(j.beside("journal")); err != nil {
		return fmt.Errorf("opening the journal: %w", err)
	}
	return nil
}

// run recognizes the sheets and writes what there is to write.
func (j *job) run(ctx context.Context) error {
	shown := newProgress(j.console, len(j.sheets))
	outcomes, err := recognition.Run(ctx, recognition.Config{
		Client: j.service.client, Journal: j.journal,
		Pattern: omr.Bytes(j.pattern), Format: j.format, Threshold: j.thresholdOrNone(),
		Submit: j.submit, Jobs: j.jobs, Resubmit: j.resubmit,
		Done:    func(i int, o recognition.Outcome) { shown.done(j.set.Sheets[i].Name, o) },
		Waiting: shown.waiting,
	}, j.sheets)
	shown.end()
	if err != nil {
		return j.brokenOff(outcomes, err)
	}
	exceptions := j.exceptions(outcomes)
	if err := j.write(outcomes, exceptions); err != nil {
		return err
	}
	j.summarize(outcomes, exceptions)
	if len(exceptions) > 0 {
		return errSaid
	}
	return nil
}

func (j *job) thresholdOrNone() *int {
	if j.threshold < 0 {
		return nil
	}
	return &j.threshold
}

// brokenOff says how far it came, and how to go on.
func (j *job) brokenOff(outcomes []recognition.Outcome, err error) error {
	done := 0
	for _, o := range outcomes {
		if o.Answered {
			done++
		}
	}
	next := "the same command goes on from there"
	if j.output == "" || j.service.sample {
		next = "without -o there is no journal to go on from"
		if j.service.sample {
			next = "samples are not kept"
		}
	}
	return fmt.Errorf("%w; %d of %d sheets have answers, no table was written, and %s", err, done, len(outcomes), next)
}
