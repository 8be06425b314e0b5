package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"omr-relay/internal/version"
)

const rootHelp = `Run omr-relay on this machine.

What is not configured is replaced by a stand-in within the program, which
recognizes nothing and answers with samples:

  OMR_SECRET_ID    read this secret from AWS Secrets Manager instead of a stand-in
  OMR_BASE_URL     relay to this Aspose.OMR Cloud instead of a stand-in
  OMR_BUCKET       keep uploads in this bucket of Amazon S3; a stand-in is only
                   there while none of the three is set
  OMR_RELAY_URL    the deployed relay that recognize calls
  OMR_RELAY_KEY    its API key
  NO_COLOR         no colours

Exit status: 0; 1 if the command failed; 2 if the command line, or a file that it
names, was wrong, and nothing was done.`

// newRoot returns the command line's commands. begin is called once the command
// line has been found right, before a command does anything.
func newRoot(program string, c console, begin func()) *cobra.Command {
	root := &cobra.Command{
		Use:              program,
		Short:            "Run omr-relay on this machine",
		Long:             rootHelp,
		Version:          version.Version,
		SilenceErrors:    true,
		SilenceUsage:     true,
		PersistentPreRun: func(*cobra.Command, []string) { begin() },
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{"no command given"}
			}
			return &usageError{fmt.Sprintf("unknown command %q", args[0])}
		},
		RunE: func(*cobra.Command, []string) error { return nil }, // Args has refused
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		// A command that is misspelt has flags that only the right one knows.
		if args := cmd.Flags().Args(); cmd == root && len(args) > 0 {
			return root.Args(cmd, args)
		}
		return err
	})
	root.AddCommand(newInvoke(c), newStartAPI(c), newRecognize(c))
	return root
}

func newInvoke(c console) *cobra.Command {
	return &cobra.Command{
		Use:   "invoke FILE",
		Short: "Send the event in FILE through the relay",
		Long: `Send the event in FILE ("-": standard input) through the relay. The response is
printed on standard output; what happened, hop by hop, and the log on standard
error.

Exit status: 1 if the handler failed or the relay itself answered 5xx.`,
		Example: example("invoke events/recognize.json", "invoke - < events/healthz.json"),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{fmt.Sprintf("invoke takes one FILE, not %d", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return invoke(cmd.Context(), c, args[0]) },
	}
}

func newStartAPI(c console) *cobra.Command {
	var (
		host string
		port int
		keys []string

		allowOrigin string
	)
	command := &cobra.Command{
		Use:   "start-api",
		Short: "Serve the relay over HTTP",
		Long: `Serve the relay over HTTP until Ctrl-C, then let the requests under way finish.
Each request becomes the event that API Gateway would send. At / there is a page
for scans.`,
		Example: example("start-api", "start-api --port 8080 --api-key 0123456789abcdefghij"),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 0 {
				return &usageError{fmt.Sprintf("start-api takes no argument %q", args[0])}
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if port < 0 || port > 65535 {
				return &usageError{fmt.Sprintf("--port must be between 0 and 65535, not %d", port)}
			}
			known, err := newAPIKeys(keys)
			if err != nil {
				return err
			}
			if getenv := c.getenv; allowOrigin != "" {
				c.getenv = func(name string) string {
					if name == "OMR_ALLOW_ORIGIN" {
						return allowOrigin
					}
					return getenv(name)
				}
			}
			return startAPI(cmd.Context(), c, host, port, known)
		},
	}
	flags := command.Flags()
	flags.StringVar(&host, "host", "127.0.0.1", "serve on this `HOST`")
	flags.IntVar(&port, "port", 3000, "serve on this `PORT`; 0 is a free one")
	flags.StringArrayVar(&keys, "api-key", nil, "serve callers that send this `KEY` alone, as if deployed; once for each caller")
	flags.StringVar(&allowOrigin, "allow-origin", "", "let pages of this `ORIGIN` call, as the template's AllowOrigin does")
	noFiles(command, "host", "port", "api-key", "allow-origin")
	return command
}

func newRecognize(c console) *cobra.Command {
	var o recognizeOptions
	command := &cobra.Command{
		Use:   "recognize FILE|FOLDER... --pattern FORM.omr",
		Short: "Make one table of the answers on scanned forms",
		Long: `Recognize scans by a deployed relay, or by the one in this program, and make one
table of all answers. Folders are searched for JPEG, PNG, GIF, TIFF, BMP and PDF;
each page of a PDF or TIFF is a sheet. What is too large for a call to a deployed
relay goes to its bucket first, if it has one.

With -o the table is written to a file, as a whole, and the sheets that a person
must look at to .exceptions.csv beside it. A .journal beside it, for your eyes
alone, remembers what was submitted: broken off, the same command goes on where it
was, and pays for no sheet twice. Without -o the table is printed.

With --batch a deployed relay recognizes them in AWS, thousands if need be, once they
are uploaded; this machine may be switched off meanwhile, and the same command picks
the batch up. The tables that a batch makes are .csv and .jsonl.

Exit status: 0 if every sheet has its answers; 1 if a person must look at some, or
if it failed or was broken off; 2 if the command line, or a file that it names, was
wrong, and nothing was sent.`,
		Example: example(
			"recognize events/sample --pattern events/sample/form.omr --sample",
			"recognize scans/ --pattern form.omr -o answers.csv --url https://example.execute-api.eu-central-1.amazonaws.com/prod",
			"recognize class.pdf late.jpg --pattern form.omr -o answers.json --jobs 8",
			"recognize scans/ --pattern form.omr -o answers.csv --batch"),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{"recognize takes FILEs or FOLDERs"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return recognize(cmd.Context(), c, args, o) },
	}
	flags := command.Flags()
	flags.StringVarP(&o.pattern, "pattern", "p", "", "the recognition pattern, an .omr `FILE`; required")
	flags.StringVarP(&o.output, "output", "o", "", "write the table to this `FILE`")
	flags.StringVar(&o.format, "format", "", "csv, json or xml `FORMAT`, of a batch csv or jsonl; by default as the output's name says, or csv")
	flags.IntVar(&o.threshold, "threshold", -1, "recognition threshold of 0 to 100 `PERCENT`; -1 leaves it to Aspose")
	flags.IntVarP(&o.jobs, "jobs", "j", 4, "sheets under way, or uploads of a batch, at once, an `N` of 1 to 64")
	flags.StringVar(&o.url, "url", "", "the `URL` of a deployed relay; else OMR_RELAY_URL")
	flags.StringVar(&o.key, "key", "", "its API `KEY`; else OMR_RELAY_KEY, which no list of processes shows")
	flags.BoolVar(&o.sample, "sample", false, "recognize nothing: answers are a stand-in's samples")
	flags.BoolVar(&o.resubmit, "resubmit", false, "send sheets again that have no answers though they were, or may have been, received; each may be paid for again")
	flags.BoolVar(&o.skip, "skip-unreadable", false, "go on without scans that cannot be sent, and list them as exceptions")
	flags.BoolVar(&o.batch, "batch", false, "start a batch at the deployed relay, follow it, and fetch its tables")
	noFiles(command, "threshold", "jobs", "url", "key")
	complete(command, "format", cobra.FixedCompletions([]cobra.Completion{"csv", "json", "xml", "jsonl"}, cobra.ShellCompDirectiveNoFileComp))
	complete(command, "pattern", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return []cobra.Completion{"omr"}, cobra.ShellCompDirectiveFilterFileExt
	})
	return command
}

// example indents lines, each a command of this program.
func example(lines ...string) string {
	return "  go run ./cmd/local " + strings.Join(lines, "\n  go run ./cmd/local ")
}

// noFiles keeps shells from completing these flags' values with names of files.
func noFiles(command *cobra.Command, flags ...string) {
	for _, name := range flags {
		complete(command, name, cobra.NoFileCompletions)
	}
}

func complete(command *cobra.Command, flag string, by cobra.CompletionFunc) {
	if err := command.RegisterFlagCompletionFunc(flag, by); err != nil {
		panic(err) // the flag is not the command's: a fault of this file's
	}
}
