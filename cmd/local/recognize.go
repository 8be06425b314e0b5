package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

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
	batch                   bool
}

const (
	maxPattern = 20 << 20
	maxSplit   = 256 << 20
	maxPages   = 1000
	maxSheets  = 20_000
	maxBatch   = 100_000 // the template's MaxSheets at most
	maxJobs    = 64
)

// job is one recognize, found to be possible.
type job struct {
	console
	recognizeOptions
	service *service
	checked bool // the service has answered
	format  omr.Format
	pattern []byte
	set     *scans.Set
	sheets  []recognition.Sheet
	journal *journal.Journal
	shown   *progress
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
	if err := j.check(ctx); err != nil {
		return err
	}
	if err := j.openJournal(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.journal.Close()) }()
	if j.batch {
		return newBatchJob(j).run(ctx)
	}
	return j.run(ctx)
}

func (j *job) judgeFlags() error {
	switch format := strings.ToUpper(j.recognizeOptions.format); {
	case j.batch:
		if err := judgeBatchFormat(format, j.output); err != nil {
			return err
		}
		j.format = omr.CSV // of what Aspose is asked for
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
	if j.pattern, err = readPattern(j.recognizeOptions.pattern); err == nil && j.inCall() <= 0 {
		err = fmt.Errorf("%s: a pattern of %s, and a call takes %s", j.recognizeOptions.pattern, size(len(j.pattern)), size(int(j.service.maxBytes)))
	}
	if err != nil {
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
	if err := j.find(ctx, names, leftOut); err != nil {
		if len(faults) > 0 {
			err = errors.Join(nothingSent(faults), err)
		}
		return err
	}
	if n := j.orderSize(); j.batch && n > orderBytes {
		faults = append(faults, fmt.Sprintf("%d scans: their names and the pattern take %s of a call, which takes %s: make several batches of them, or one in AWS itself (docs/batches.md)",
			len(j.set.Sheets), size(n), size(orderBytes)))
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
	return errors.Join(nothingSent(faults, hint), j.set.Close())
}

func nothingSent(faults []string, hints ...string) error {
	return &usageError{"nothing was sent:\n  " + strings.Join(faults, "\n  ") + strings.Join(hints, "")}
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
	j.shown = newProgress(j.console, len(j.sheets))
	outcomes, err := recognition.Run(ctx, recognition.Config{
		Client: j.service.client, Journal: j.journal,
		Pattern: omr.Bytes(j.pattern), Format: j.format, Threshold: j.thresholdOrNone(),
		Prepare: j.upload, Jobs: j.jobs, Resubmit: j.resubmit,
		Done:    func(i int, o recognition.Outcome) { j.shown.done(j.set.Sheets[i].Name, o) },
		Waiting: j.shown.waiting,
	}, j.sheets)
	j.shown.end()
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
