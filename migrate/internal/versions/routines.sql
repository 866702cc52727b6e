-- What the compiler asks of the schema $1 besides its tables: names that are taken,
-- and routines. $2 is the schema of the version before, whose own routines go with it.
SELECT pg_catalog.json_build_object(
  'Relations', (SELECT coalesce(pg_catalog.json_object_agg(c.relname, CASE c.relkind
      WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'f' THEN 'table' WHEN 'v' THEN 'the view' WHEN 'm' THEN 'the view'
      WHEN 'S' THEN 'the sequence' WHEN 'i' THEN 'the index' WHEN 'I' THEN 'the index' ELSE 'the type' END), '{}')
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind <> 't'),
  'Routines', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
      'Name', p.proname,
      'Arguments', pg_catalog.pg_get_function_identity_arguments(p.oid),
      'Fixed', CASE WHEN e.objid IS NOT NULL THEN 'an extension''s' WHEN p.prokind = 'a' THEN 'an aggregate' ELSE '' END,
      'Limited', p.proacl IS NOT NULL,
      'Grants', (SELECT pg_catalog.json_agg(CASE WHEN g.grantee = 0 THEN 'PUBLIC'
          ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END)
        FROM pg_catalog.aclexplode(p.proacl) g WHERE g.privilege_type = 'EXECUTE'),
      'Dependents', (SELECT pg_catalog.json_agg(pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid))
        FROM pg_catalog.pg_depend d
        WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.refobjid = p.oid AND d.deptype = 'n'
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_proc o JOIN pg_catalog.pg_namespace m ON m.oid = o.pronamespace
            WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND o.oid = d.objid AND m.nspname = $2))
    ) ORDER BY p.oid), '[]')
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    LEFT JOIN pg_catalog.pg_depend e ON e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e'
    WHERE n.nspname = $1)
)::text
