-- The tables of schema $1, as JSON. $2 is the comment of schemas of versions.
WITH versions AS (
  SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n
  WHERE pg_catalog.obj_description(n.oid, 'pg_namespace') = $2
), current AS (
  SELECT oid, nspname FROM versions ORDER BY oid DESC LIMIT 1
), tables AS (
  SELECT c.* FROM pg_catalog.pg_class c
  WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1)
    AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
)
SELECT pg_catalog.json_build_object(
  'Server', pg_catalog.current_setting('server_version_num')::int,
  'There', EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1),
  'Old', coalesce((SELECT nspname FROM current), ''),
  'Path', pg_catalog.current_schemas(false),
  'Tables', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
    'Name', t.relname,
    'Kind', t.relkind,
    'Rows', t.reltuples,
    'Inherited', t.relkind = 'r' AND EXISTS (SELECT 1 FROM pg_catalog.pg_inherits i WHERE i.inhparent = t.oid),
    'Identity', t.relreplident,
    'Partition', pg_catalog.pg_get_partkeydef(t.oid),
    'Order', (SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class v ON v.oid = a.attrelid
      WHERE v.relname = t.relname AND v.relkind = 'v' AND v.relnamespace = (SELECT oid FROM current) AND a.attnum > 0),
    'Columns', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'Name', a.attname,
        'Type', pg_catalog.format_type(a.atttypid, a.atttypmod),
        'Collation', (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(l.collname)
          FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace, pg_catalog.pg_type y
          WHERE l.oid = a.attcollation AND y.oid = a.atttypid AND y.typcollation <> a.attcollation),
        'NotNull', a.attnotnull,
        'Default', pg_catalog.pg_get_expr(d.adbin, d.adrelid),
        'Identity', a.attidentity,
        'Generated', a.attgenerated <> '',
        'Sequence', (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(s.relname)
          FROM pg_catalog.pg_depend p JOIN pg_catalog.pg_class s ON s.oid = p.objid AND s.relkind = 'S'
          JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
          WHERE p.classid = 'pg_catalog.pg_class'::regclass AND p.refclassid = 'pg_catalog.pg_class'::regclass
            AND p.refobjid = t.oid AND p.refobjsubid = a.attnum AND p.deptype IN ('a', 'i') LIMIT 1),
        'Options', (SELECT pg_catalog.format('INCREMENT BY %s CACHE %s%s', q.seqincrement, q.seqcache, CASE WHEN q.seqcycle THEN ' CYCLE' ELSE '' END)
          FROM pg_catalog.pg_depend p JOIN pg_catalog.pg_sequence q ON q.seqrelid = p.objid
          WHERE p.classid = 'pg_catalog.pg_class'::regclass AND p.refclassid = 'pg_catalog.pg_class'::regclass
            AND p.refobjid = t.oid AND p.refobjsubid = a.attnum AND p.deptype IN ('a', 'i') LIMIT 1),
        'SequenceName', (SELECT s.relname FROM pg_catalog.pg_depend p JOIN pg_catalog.pg_class s ON s.oid = p.objid AND s.relkind = 'S'
          WHERE p.classid = 'pg_catalog.pg_class'::regclass AND p.refclassid = 'pg_catalog.pg_class'::regclass
            AND p.refobjid = t.oid AND p.refobjsubid = a.attnum AND p.deptype IN ('a', 'i') LIMIT 1),
        'Comment', pg_catalog.col_description(t.oid, a.attnum),
        'Target', coalesce(a.attstattarget, -1),
        'Grants', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
            'Privilege', g.privilege_type, 'Option', g.is_grantable,
            'To', CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END))
          FROM pg_catalog.aclexplode(a.attacl) g)
      ) ORDER BY a.attnum)
      FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'Indexes', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'Name', x.relname,
        'Def', pg_catalog.pg_get_indexdef(i.indexrelid),
        'Columns', (SELECT pg_catalog.json_agg(DISTINCT a.attname) FROM pg_catalog.pg_depend p
          JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = p.refobjsubid
          WHERE p.refclassid = 'pg_catalog.pg_class'::regclass AND p.refobjid = t.oid AND p.refobjsubid > 0
            AND (p.classid = 'pg_catalog.pg_class'::regclass AND p.objid = i.indexrelid
              OR p.classid = 'pg_catalog.pg_constraint'::regclass AND p.objid = k.oid)),
        'Key', (SELECT pg_catalog.json_agg(a.attname ORDER BY o.n) FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY o(num, n)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = o.num
          WHERE o.n <= i.indnkeyatts AND NOT 0 = ANY (i.indkey::int2[])),
        'Unique', i.indisunique,
        'Primary', i.indisprimary,
        'Whole', i.indpred IS NULL,
        'Constraint', k.conname,
        'Deferrable', CASE WHEN k.condeferrable THEN ' DEFERRABLE' || CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END END,
        'Comment', pg_catalog.obj_description(i.indexrelid, 'pg_class'),
        'IsIdentity', i.indisreplident))
      FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
      LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = t.oid AND k.contype IN ('p', 'u', 'x')
      WHERE i.indrelid = t.oid AND i.indisvalid),
    'Constraints', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'Name', k.conname,
        'Type', k.contype,
        'Def', pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID$', ''),
        'Columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY o.n) FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY o(num, n)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = o.num),
        'Validated', k.convalidated,
        'Comment', pg_catalog.obj_description(k.oid, 'pg_constraint')) ORDER BY k.conname)
      FROM pg_catalog.pg_constraint k WHERE k.conrelid = t.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x')),
    'Inbound', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'Name', k.conname,
        'Schema', n.nspname,
        'Table', r.relname,
        'Def', pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID$', ''),
        'Columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY o.n) FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY o(num, n)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = o.num),
        'Validated', k.convalidated) ORDER BY k.conname)
      FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class r ON r.oid = k.conrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
      WHERE k.confrelid = t.oid AND k.contype = 'f' AND NOT r.relispartition),
    'Dependents', (SELECT pg_catalog.json_agg(DISTINCT pg_catalog.jsonb_build_object(
        'Column', a.attname,
        'What', CASE WHEN p.classid = 'pg_catalog.pg_rewrite'::regclass
          THEN (SELECT pg_catalog.pg_describe_object('pg_catalog.pg_class'::regclass, w.ev_class, 0) FROM pg_catalog.pg_rewrite w WHERE w.oid = p.objid)
          ELSE pg_catalog.pg_describe_object(p.classid, p.objid, p.objsubid) END))
      FROM pg_catalog.pg_depend p JOIN pg_catalog.pg_attribute a ON a.attrelid = p.refobjid AND a.attnum = p.refobjsubid
      WHERE p.refclassid = 'pg_catalog.pg_class'::regclass AND p.refobjid = t.oid AND p.refobjsubid > 0
        AND p.classid NOT IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_constraint'::regclass)
        AND NOT (p.classid = 'pg_catalog.pg_attrdef'::regclass
          AND EXISTS (SELECT 1 FROM pg_catalog.pg_attrdef d WHERE d.oid = p.objid AND d.adrelid = t.oid AND d.adnum = p.refobjsubid))
        AND NOT (p.classid = 'pg_catalog.pg_rewrite'::regclass
          AND EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class v ON v.oid = w.ev_class
            WHERE w.oid = p.objid AND v.relnamespace IN (SELECT oid FROM versions))))
  ) ORDER BY t.relname), '[]') FROM tables t)
)::text
