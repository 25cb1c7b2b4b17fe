package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sync/errgroup"

	"refunds/bulk"
	"refunds/portone"
)

// fileArgs are the arguments of the commands that read a file of instructions.
type fileArgs struct {
	File    string   `arg:"" type:"path" help:"CSV of refund instructions."`
	Accept  string   `default:"all-or-nothing" enum:"all-or-nothing,valid-rows" help:"all-or-nothing, or valid-rows: take the good rows and put the others into the rejects file."`
	Rows    int      `placeholder:"N" help:"Control total: the file must have so many rows."`
	Total   []string `placeholder:"CUR=AMOUNT" help:"Control total: the file's amounts in this currency must come to this, as VND=84000000."`
	MaxRows int      `default:"100000" help:"Refuse a file of more rows."`
	MaxSize int64    `default:"33554432" help:"Refuse a file of more bytes."`

	raw bytes.Buffer // the file as it was read, which a second reading might not give again
}

// read reads the file. Nothing of it is judged yet.
func (c *fileArgs) read(a *app) (*bulk.File, error) {
	f, err := os.Open(c.File)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	file, err := bulk.ReadFile(c.File, io.TeeReader(f, &c.raw), bulk.Limits{Bytes: c.MaxSize, Rows: c.MaxRows})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	return file, nil
}

// showFaults prints the first 100 of count faults, each on a line.
func showFaults(w io.Writer, prefix string, faults []bulk.Fault, count int) {
	const most = 100
	for _, f := range faults[:min(most, len(faults))] {
		fmt.Fprintln(w, prefix+f.String())
	}
	if count > most {
		fmt.Fprintf(w, "… and %d more\n", count-most)
	}
}

// judge shows all faults and warnings, and refuses the file where it can't be used.
func (c *fileArgs) judge(a *app, file *bulk.File) error {
	showFaults(a.errs, "", file.Faults, file.FaultCount)
	showFaults(a.errs, "warning: ", file.Warnings, file.WarningCount)
	var control bulk.Control
	control.Rows = c.Rows
	for _, t := range c.Total {
		m, err := bulk.ParseTotal(t)
		if err != nil {
			return fmt.Errorf("--total: %w", err)
		}
		control.Totals = append(control.Totals, m)
	}
	wrong := control.Check(file)
	showFaults(a.errs, "", wrong, len(wrong))
	switch bad := len(file.TurnedDown); {
	case len(wrong) > 0:
		return fmt.Errorf("%s: refused: its control totals don't agree; nothing was sent", c.File)
	case file.Accepted(bulk.Acceptance(c.Accept)):
		return nil
	case file.Unusable:
		return fmt.Errorf("%s: refused; nothing was sent", c.File)
	case bad == 0:
		return fmt.Errorf("%s: refused: it has no rows; nothing was sent", c.File)
	case len(file.Rows) == 0:
		return fmt.Errorf("%s: refused: none of its %d rows can be used; nothing was sent", c.File, bad)
	default:
		return fmt.Errorf("%s: refused: %d of its %d rows have faults; nothing was sent. Mend them, or take the others with --accept valid-rows", c.File, bad, bad+len(file.Rows))
	}
}

// resolveRefs turns the merchant's references into PortOne's: by the ledger's orders, else by
// asking PortOne. A row whose reference is unknown or ambiguous is turned down.
func (c *fileArgs) resolveRefs(ctx context.Context, a *app, r *room, file *bulk.File) error {
	refs := file.MerchantRefs()
	known, err := r.db.OrderRefs(ctx, refs)
	if err != nil {
		return err
	}
	asked := make([]string, len(refs))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(r.Concurrency)
	for i, ref := range refs {
		if len(known[ref]) > 0 {
			continue
		}
		group.Go(func() error {
			order, err := r.portone.OrderByMerchantRef(groupCtx, ref)
			if errors.Is(err, portone.ErrOrderUnknown) {
				return nil
			}
			asked[i] = order
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("look the merchant's references up at PortOne: %w; nothing was sent", err)
	}
	for i, ref := range refs {
		if asked[i] != "" {
			known[ref] = []string{asked[i]}
		}
	}
	faults := file.Resolve(known)
	showFaults(a.errs, "", faults, len(faults))
	if !file.Accepted(bulk.Acceptance(c.Accept)) {
		return fmt.Errorf("%s: refused: the orders of %d rows are not known; nothing was sent. Mend them, or take the others with --accept valid-rows", c.File, len(faults))
	}
	return nil
}

// totals is money per currency, for people.
func totals(sums []portone.Money) string {
	var parts []string
	for _, m := range sums {
		parts = append(parts, fmt.Sprintf("%s %s", m.Currency, grouped(m.String())))
	}
	return strings.Join(parts, ", ")
}

// grouped puts a comma between the thousands of a plain decimal, for people to read.
func grouped(s string) string {
	whole, frac, point := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if point {
		whole += "." + frac
	}
	return sign + whole
}

// contradictions shows the rows whose instruction_id an earlier batch used for something else.
func (c *fileArgs) contradictions(a *app, b bulk.Batch, conflicts []bulk.Conflict) error {
	if len(conflicts) == 0 {
		return nil
	}
	lines := map[int]int{}
	for _, r := range b.Rows {
		lines[r.N] = r.Line
	}
	for _, x := range conflicts {
		fmt.Fprintf(a.errs, "line %d, %s: %s\n", lines[x.N], x.Column, x.Message)
	}
	return fmt.Errorf("%s: refused: %d rows contradict earlier batches; nothing was sent. Give them another instruction_id if they are other refunds", c.File, len(conflicts))
}
