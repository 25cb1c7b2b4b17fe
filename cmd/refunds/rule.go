package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile/ledger"
)

// ruleArgs are a person's decision about one row.
type ruleArgs struct {
	Made        string `placeholder:"REFUND" xor:"verdict" help:"PortOne made it: this refund of its list."`
	NotMade     bool   `xor:"verdict" help:"PortOne did not make it; the row ends as failed."`
	Cancel      bool   `xor:"verdict" help:"PortOne did not make it, and it shall not be made; the row ends as cancelled."`
	Reissue     bool   `help:"With --not-made: the row is planned again; issuing its file sends it."`
	OtherAmount bool   `help:"With --made: the refund carries the row's marker but has another amount, and that is right."`
	By          string `placeholder:"NAME" help:"Who decides."`
	Note        string `placeholder:"TEXT" help:"Why: what was seen, and where."`
}

func (c ruleArgs) verdict() bulk.Verdict {
	switch {
	case c.Made != "":
		return bulk.SaysMade
	case c.NotMade:
		return bulk.SaysNotMade
	case c.Cancel:
		return bulk.SaysCancel
	}
	return ""
}

func (c ruleArgs) any() bool {
	return c.verdict() != "" || c.Reissue || c.OtherAmount || c.By != "" || c.Note != ""
}

// decide shows the case, and records the decision, if there is one and it may be taken.
func (c ruleArgs) decide(ctx context.Context, a *app, handle string) (err error) {
	if c.any() && c.verdict() == "" {
		return errors.New("say what was found out: --made REFUND, --not-made or --cancel")
	}
	r, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	row, err := findCase(ctx, r.db, handle)
	if err != nil {
		return err
	}
	readAt := time.Now()
	list, err := r.portone.Refunds(ctx, row.Row.OrderRef, row.Row.Amount.Currency)
	if err != nil {
		return fmt.Errorf("%w; nothing was recorded", err)
	}
	s := caseSheet{Case: row, list: &list, readAt: readAt, fresh: true, whole: true, zone: r.zone}
	fmt.Fprint(a.out, s.String())
	if c.verdict() == "" {
		fmt.Fprint(a.out, s.advice(readAt))
		if row.Row.State != bulk.Quarantined {
			return nil
		}
		return exit{code: exitFindings}
	}
	ruling := bulk.Ruling{
		Verdict: c.verdict(), Refund: c.Made, OtherAmount: c.OtherAmount, Reissue: c.Reissue,
		By: strings.TrimSpace(c.By), Note: strings.TrimSpace(c.Note), User: systemUser(), Host: hostName(),
	}
	settlement, err := bulk.Decide(row.Case, ruling, list, readAt)
	if err != nil {
		return fmt.Errorf("refused, nothing was recorded: %w", err)
	}
	switch err := r.db.Settle(context.WithoutCancel(ctx), settlement); {
	case errors.Is(err, bulk.ErrMoved):
		return fmt.Errorf("nothing was recorded: somebody else settled this row, or changed its order, meanwhile; refunds explain %s tells what came of it", row.Row.OrderRef)
	case errors.Is(err, bulk.ErrBoundElsewhere):
		return fmt.Errorf("refused, nothing was recorded: refund %s is booked for another row already", c.Made)
	case err != nil:
		return err
	}
	fmt.Fprintf(a.out, "recorded: %s is %s, by %s (%s at %s)\n", row.Handle(), settlement.State, ruling.By, ruling.User, ruling.Host)
	if settlement.State == bulk.Planned {
		fmt.Fprintf(a.out, "it is sent again when its file is issued again: %s\n", row.FileName)
	}
	if row.Held > 0 {
		fmt.Fprintf(a.out, "%d rows of order %s waited behind it; issue their file again\n", row.Held, row.Row.OrderRef)
	}
	return nil
}

// findCase reads the one row that handle names.
func findCase(ctx context.Context, db *ledger.DB, handle string) (ledger.Case, error) {
	markers, err := db.FindInstruction(ctx, handle)
	switch {
	case err != nil:
		return ledger.Case{}, err
	case len(markers) == 0:
		return ledger.Case{}, fmt.Errorf("the ledger has no instruction %q; refunds resolve --list shows those that wait, by instruction_id or marker", handle)
	case len(markers) > 1:
		return ledger.Case{}, fmt.Errorf("%q is the instruction_id of one row and the marker of another; name the first by its own marker: %s", handle, strings.Join(markers, " or "))
	}
	return db.Case(ctx, markers[0])
}

// listCases shows every quarantined row: as PortOne lists its order now, or, where there is no
// key or PortOne can't be read, as it did last.
func listCases(ctx context.Context, a *app) (err error) {
	c, err := a.check(false)
	if err != nil {
		return err
	}
	var client *portone.Client
	if withKeys, err := a.check(true); err == nil {
		c = withKeys
		if client, err = a.openPortOne(c); err != nil {
			return err
		}
		defer client.Close()
	}
	db, err := a.openLedger(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	markers, err := db.Quarantined(ctx)
	if err != nil {
		return err
	}
	if len(markers) == 0 {
		fmt.Fprintln(a.out, "no row is quarantined")
		return nil
	}
	unread := 0
	for _, marker := range markers {
		row, err := db.Case(ctx, marker)
		if err != nil {
			return err
		}
		s := caseSheet{Case: row, zone: c.zone}
		now := time.Now()
		if client != nil {
			list, err := client.Refunds(ctx, row.Row.OrderRef, row.Row.Amount.Currency)
			if err == nil {
				s.list, s.readAt, s.fresh = &list, now, true
			} else {
				unread++
				fmt.Fprintln(a.errs, "refunds:", err)
			}
		}
		if !s.fresh {
			s.last()
		}
		fmt.Fprint(a.out, s.String(), s.advice(now), "\n")
	}
	fmt.Fprintf(a.out, "%d rows are quarantined\n", len(markers))
	if client == nil {
		fmt.Fprintln(a.out, "PortOne's lists are shown as they were read last, since PORTONE_CLIENT_KEY and PORTONE_SECRET_KEY are not set")
	}
	if unread > 0 {
		return exit{exitIncomplete, fmt.Sprintf("the lists of %d orders could not be read now", unread)}
	}
	return exit{code: exitFindings}
}

// systemUser is who runs the program, as the operating system has it.
func systemUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return cmp.Or(os.Getenv("USER"), "unknown")
}

func hostName() string {
	h, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return h
}
