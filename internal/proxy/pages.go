package proxy

// page is what the service wants to be told in place of a refusal of ours, as
// HTML; "" for nothing. A request that is no service's gets the page of the
// first one on its listener that has any.
func (x *exchange) page(status int) string {
	if x.target != nil {
		return x.target.cfg.Pages[status]
	}
	if v := x.p.table.Load().listeners[x.conn.listener.key]; v != nil {
		return v.pages[status]
	}
	return ""
}
