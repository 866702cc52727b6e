package journal

import (
	"context"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

const preparationsTable = `CREATE TABLE IF NOT EXISTS preparations (
	service TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, release INTEGER NOT NULL, who TEXT NOT NULL,
	began INTEGER NOT NULL, ended INTEGER NOT NULL, PRIMARY KEY (service, name, digest))`

// Prepared writes that a step was done; of one that was done before, the last
// time counts.
func (j *Journal) Prepared(ctx context.Context, p deploy.Preparation) error {
	_, err := j.db.ExecContext(ctx, "INSERT OR REPLACE INTO preparations (service, name, digest, release, who, began, ended) VALUES (?,?,?,?,?,?,?)",
		p.Service, p.Name, p.Digest, p.Release, p.Who, p.Began.UnixNano(), p.Ended.UnixNano())
	return j.wrap("write that "+p.Name+" was done", err)
}

// Preparations lists the steps that were done for a service, or with "" for
// all, the newest first.
func (j *Journal) Preparations(ctx context.Context, service string) ([]deploy.Preparation, error) {
	rows, err := j.db.QueryContext(ctx, `SELECT service, name, digest, release, who, began, ended FROM preparations
		WHERE ? IN ('', service) ORDER BY ended DESC`, service)
	if err != nil {
		return nil, j.wrap("read what was prepared", err)
	}
	defer rows.Close()
	var out []deploy.Preparation
	for rows.Next() {
		var p deploy.Preparation
		var began, ended int64
		if err := rows.Scan(&p.Service, &p.Name, &p.Digest, &p.Release, &p.Who, &began, &ended); err != nil {
			return nil, j.wrap("read what was prepared", err)
		}
		p.Began, p.Ended = time.Unix(0, began), time.Unix(0, ended)
		out = append(out, p)
	}
	return out, j.wrap("read what was prepared", rows.Err())
}
