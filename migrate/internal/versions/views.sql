-- The views of a version. Its schema, that of the tables and that of the version
-- before it are set in front of this, with what the operations have made of the tables.
-- Tables that no operation speaks of are shown as they are.
DECLARE
  t record;
  g record;
  m jsonb;
  d record;
  name text;
  items text;
  exact text := CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 150000 THEN 'WITH (security_invoker = true)' ELSE '' END;
BEGIN
  FOR g IN SELECT a.grantee
    FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) a
    WHERE n.nspname = base AND a.privilege_type = 'USAGE'
  LOOP
    EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %s', version,
      CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END);
  END LOOP;
  FOR t IN SELECT c.oid, c.relname, c.relowner, c.relacl FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = base AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
      AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend p
        WHERE p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND p.objid = c.oid AND p.deptype = 'e')
    ORDER BY c.relname
  LOOP
    m := coalesce(tables -> t.relname, '{}');
    CONTINUE WHEN (m ->> 'gone')::boolean;
    name := coalesce(m ->> 'name', t.relname);
    SELECT pg_catalog.string_agg(pg_catalog.format('%I AS %I', x.phys, x.name), ', ' ORDER BY x.place) INTO items FROM (
      SELECT j ->> 'phys' AS phys, j ->> 'name' AS name, n AS place
        FROM pg_catalog.jsonb_array_elements(m -> 'columns') WITH ORDINALITY AS e(j, n)
      UNION ALL
      SELECT a.attname, a.attname, coalesce((SELECT o.attnum FROM pg_catalog.pg_attribute o JOIN pg_catalog.pg_class v ON v.oid = o.attrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
          WHERE n.nspname = old AND v.relname = t.relname AND o.attname = a.attname AND o.attnum > 0), 10000 + a.attnum)
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
          AND NOT coalesce(m -> 'known' ? a.attname::text, false) AND a.attname NOT LIKE '\_segue\_%'
    ) x;
    EXECUTE pg_catalog.format('CREATE OR REPLACE VIEW %I.%I %s AS SELECT %s FROM %I.%I', version, name, exact, coalesce(items, ''), base, t.relname);
    FOR d IN SELECT j ->> 'name' AS name, j ->> 'default' AS value
      FROM pg_catalog.jsonb_array_elements(m -> 'columns') AS e(j) WHERE j ->> 'default' <> ''
    LOOP
      EXECUTE pg_catalog.format('ALTER VIEW %I.%I ALTER COLUMN %I SET DEFAULT ', version, name, d.name) || d.value;
    END LOOP;
    FOR g IN
      SELECT a.privilege_type || CASE WHEN a.col IS NULL THEN '' ELSE pg_catalog.format(' (%I)', a.col) END AS what, a.grantee, a.is_grantable FROM (
        SELECT x.privilege_type, x.grantee, x.is_grantable, NULL AS col
          FROM pg_catalog.aclexplode(coalesce(t.relacl, pg_catalog.acldefault('r', t.relowner))) x
        UNION ALL
        SELECT x.privilege_type, x.grantee, x.is_grantable, coalesce(
            (SELECT j ->> 'name' FROM pg_catalog.jsonb_array_elements(m -> 'columns') AS e(j) WHERE j ->> 'phys' = c.attname),
            CASE WHEN NOT coalesce(m -> 'known' ? c.attname::text, false) THEN c.attname END)
          FROM pg_catalog.pg_attribute c, pg_catalog.aclexplode(c.attacl) x
          WHERE c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped
            AND (NOT coalesce(m -> 'known' ? c.attname::text, false)
              OR EXISTS (SELECT 1 FROM pg_catalog.jsonb_array_elements(m -> 'columns') AS e(j) WHERE j ->> 'phys' = c.attname))
      ) a WHERE a.grantee <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
        AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REFERENCES', 'TRIGGER', 'TRUNCATE')
    LOOP
      EXECUTE pg_catalog.format('GRANT %s ON %I.%I TO %s', g.what, version, name,
        CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END)
        || CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END;
    END LOOP;
  END LOOP;
END
