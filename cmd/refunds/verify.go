package main

import (
	"fmt"

	"refunds/reports"
)

type verifyCmd struct {
	Dir string `arg:"" name:"report-dir" type:"path" help:"A report folder."`
}

func (c *verifyCmd) Run(a *app) error {
	problems, err := reports.Verify(c.Dir)
	if err != nil {
		return err
	}
	for _, p := range problems {
		fmt.Fprintln(a.out, p)
	}
	if len(problems) > 0 {
		return exit{exitFindings, fmt.Sprintf("%s is not as it was written: %d problems", c.Dir, len(problems))}
	}
	fmt.Fprintf(a.out, "%s is whole: every file is as its manifest says\n", c.Dir)
	return nil
}
