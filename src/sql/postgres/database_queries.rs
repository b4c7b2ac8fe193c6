//! The queries behind the snapshot of a database. Catalogue names are qualified throughout.
//!
//! Columns 0 to 6 of every object are kind, number, schema, name, owner, access list, "an extension's".

use crate::sql::postgres::acl::acl_text;

/// True where the object (its catalogue, its alias) is a member of an extension.
macro_rules! in_extension {
    ($catalog:literal, $alias:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.",
            $catalog,
            "'::pg_catalog.regclass AND e.objid = ",
            $alias,
            ".oid AND e.objsubid = 0 AND e.deptype = 'e')"
        )
    };
}

/// True where a schema is none of the system's, and not a temporary one.
macro_rules! of_people {
    () => {
        "n.nspname <> 'information_schema' AND pg_catalog.left(n.nspname::text, 3) <> 'pg_'"
    };
}

/// True where a schema does not go with a session.
macro_rules! lasting {
    () => {
        "n.nspname !~ '^pg_(toast_)?temp_'"
    };
}

/// Joins an object's schema, where that is one of these.
macro_rules! join_schema {
    ($column:literal, $which:expr) => {
        concat!(
            " JOIN pg_catalog.pg_namespace n ON n.oid = ",
            $column,
            " AND ",
            $which,
            " "
        )
    };
}

/// An object with a schema and without an access list; `$extra` are the columns 7 and 8.
macro_rules! schema_object {
    ($code:literal, $catalog:literal, $prefix:literal, $extra:literal, $join:literal) => {
        concat!(
            "SELECT '",
            $code,
            "', o.oid, n.nspname::text, o.",
            $prefix,
            "name::text, o.",
            $prefix,
            "owner, NULL::text[], ",
            in_extension!($catalog, "o"),
            ", ",
            $extra,
            " FROM pg_catalog.",
            $catalog,
            " o JOIN pg_catalog.pg_namespace n ON n.oid = o.",
            $prefix,
            "namespace AND ",
            of_people!(),
            " ",
            $join
        )
    };
    ($code:literal, $catalog:literal, $prefix:literal) => {
        schema_object!($code, $catalog, $prefix, "NULL::text[], NULL::text", "")
    };
}

/// An object without a schema; its access list is the expression `$acl`.
macro_rules! database_object {
    ($code:literal, $catalog:literal, $prefix:literal, $acl:expr) => {
        concat!(
            " UNION ALL SELECT '",
            $code,
            "', o.oid, NULL::text, o.",
            $prefix,
            "name::text, o.",
            $prefix,
            "owner, ",
            $acl,
            ", ",
            in_extension!($catalog, "o"),
            ", NULL::text[], NULL::text FROM pg_catalog.",
            $catalog,
            " o"
        )
    };
}

macro_rules! schemas {
    ($which:expr) => {
        concat!(
            "SELECT 'schema', n.oid, NULL::text, n.nspname, n.nspowner, ",
            acl_text!("n.nspacl"),
            ", ",
            in_extension!("pg_namespace", "n"),
            " FROM pg_catalog.pg_namespace n WHERE ",
            $which
        )
    };
}

pub(super) const SCHEMAS: &str = schemas!(of_people!());
pub(super) const ALL_SCHEMAS: &str = schemas!(lasting!());

/// Then: the table of a sequence, the first table inherited from, whether a partition, locks
/// (itself, its indexes, its toast table with its index), and what its rules use with the privileges of its owner: `16385:`, or each column,
/// `16385:note`, where columns have access lists. A view is a rule; from version 15 on it may run with its user's privileges instead.
macro_rules! relations {
    ($which:expr) => {
        concat!(
            "SELECT c.relkind, c.oid, n.nspname, c.relname, c.relowner, ",
            acl_text!("c.relacl"),
            ", ",
            in_extension!("pg_class", "c"),
            ", d.refobjid, (SELECT h.inhparent FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid \
                ORDER BY h.inhseqno LIMIT 1), c.relispartition, \
             1 + COALESCE(x.indexes, 0) + CASE WHEN c.reltoastrelid = 0 THEN 0 ELSE 2 END, \
             w.used \
             FROM pg_catalog.pg_class c",
            join_schema!("c.relnamespace", $which),
            "LEFT JOIN pg_catalog.pg_depend d ON c.relkind = 'S' AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                AND d.objid = c.oid AND d.objsubid = 0 AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') \
             LEFT JOIN (SELECT i.indrelid, pg_catalog.count(*) AS indexes FROM pg_catalog.pg_index i GROUP BY i.indrelid) x \
                ON x.indrelid = c.oid \
             LEFT JOIN (SELECT k.ev_class, pg_catalog.array_agg(k.refobjid::text || ':' || COALESCE(k.attname::text, '')) AS used FROM \
                (SELECT DISTINCT r.ev_class, u.refobjid, a.attname FROM pg_catalog.pg_rewrite r \
                JOIN pg_catalog.pg_depend u ON u.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND u.objid = r.oid \
                   AND u.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND u.refobjid <> r.ev_class AND u.refobjid >= 16384 \
                LEFT JOIN (SELECT l.attrelid, l.attnum, l.attname FROM pg_catalog.pg_attribute l WHERE l.attnum > 0 \
                   AND l.attrelid IN (SELECT s.attrelid FROM pg_catalog.pg_attribute s WHERE s.attacl IS NOT NULL)) a \
                   ON a.attrelid = u.refobjid AND a.attnum = u.refobjsubid) k GROUP BY k.ev_class) w \
                ON w.ev_class = c.oid AND NOT EXISTS (SELECT 1 FROM pg_catalog.unnest(c.reloptions) o (option) \
                   WHERE CASE WHEN pg_catalog.starts_with(o.option, 'security_invoker=') \
                         THEN pg_catalog.split_part(o.option, '=', 2)::boolean ELSE false END) \
             WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')"
        )
    };
}

pub(super) const RELATIONS: &str = relations!(of_people!());
pub(super) const ALL_RELATIONS: &str = relations!(lasting!());

/// Without those that a type brings along (`int4range(…)`): they belong to the bootstrap superuser for good.
/// Then: schema and name of each argument's type by turns, the types as people write them, and whether it is SECURITY DEFINER.
macro_rules! routines {
    ($which:expr) => {
        concat!(
            "SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END, \
             p.oid, n.nspname, p.proname, p.proowner, ",
            acl_text!("p.proacl"),
            ", ",
            in_extension!("pg_proc", "p"),
            ", ARRAY(SELECT v.part FROM pg_catalog.unnest(p.proargtypes) WITH ORDINALITY a (type, place) \
                JOIN pg_catalog.pg_type t ON t.oid = a.type JOIN pg_catalog.pg_namespace s ON s.oid = t.typnamespace \
                CROSS JOIN LATERAL (VALUES (1, s.nspname::text), (2, t.typname::text)) v (half, part) \
                ORDER BY a.place, v.half), \
             (SELECT pg_catalog.string_agg(pg_catalog.format_type(a.type, NULL), ', ' ORDER BY a.place) \
                FROM pg_catalog.unnest(p.proargtypes) WITH ORDINALITY a (type, place)), p.prosecdef \
             FROM pg_catalog.pg_proc p",
            join_schema!("p.pronamespace", $which),
            "WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend i WHERE i.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
                AND i.objid = p.oid AND i.deptype = 'i')"
        )
    };
}

pub(super) const ROUTINES: &str = routines!(of_people!());
pub(super) const ALL_ROUTINES: &str = routines!(lasting!());

/// Types that stand for themselves: no arrays, no multiranges, no rows of tables.
macro_rules! types {
    ($which:expr) => {
        concat!(
            "SELECT CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, t.oid, n.nspname, t.typname, t.typowner, ",
            acl_text!("t.typacl"),
            ", ",
            in_extension!("pg_type", "t"),
            " FROM pg_catalog.pg_type t",
            join_schema!("t.typnamespace", $which),
            "WHERE (t.typtype IN ('b', 'd', 'e', 'r') \
                AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type element WHERE element.typarray = t.oid)) \
             OR (t.typtype = 'c' AND EXISTS (SELECT 1 FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))"
        )
    };
}

pub(super) const TYPES: &str = types!(of_people!());
pub(super) const ALL_TYPES: &str = types!(lasting!());

/// Everything that there are few of. Then: argument types of an operator as in [`ROUTINES`];
/// an operator's types for people, or the access method.
pub(super) const OTHERS: &str = concat!(
    schema_object!("collation", "pg_collation", "coll"),
    " UNION ALL ",
    schema_object!("conversion", "pg_conversion", "con"),
    " UNION ALL ",
    schema_object!("tsconfig", "pg_ts_config", "cfg"),
    " UNION ALL ",
    schema_object!("tsdict", "pg_ts_dict", "dict"),
    " UNION ALL ",
    schema_object!("statistics", "pg_statistic_ext", "stx"),
    " UNION ALL ",
    schema_object!(
        "opclass",
        "pg_opclass",
        "opc",
        "NULL::text[], m.amname::text",
        "JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod"
    ),
    " UNION ALL ",
    schema_object!(
        "opfamily",
        "pg_opfamily",
        "opf",
        "NULL::text[], m.amname::text",
        "JOIN pg_catalog.pg_am m ON m.oid = o.opfmethod"
    ),
    " UNION ALL ",
    schema_object!(
        "operator",
        "pg_operator",
        "opr",
        "ARRAY[COALESCE(ls.nspname::text, ''), COALESCE(l.typname::text, ''), \
               COALESCE(rs.nspname::text, ''), COALESCE(r.typname::text, '')], \
         COALESCE(pg_catalog.format_type(l.oid, NULL), 'NONE') || ', ' || \
         COALESCE(pg_catalog.format_type(r.oid, NULL), 'NONE')",
        "LEFT JOIN pg_catalog.pg_type l ON l.oid = o.oprleft \
         LEFT JOIN pg_catalog.pg_namespace ls ON ls.oid = l.typnamespace \
         LEFT JOIN pg_catalog.pg_type r ON r.oid = o.oprright \
         LEFT JOIN pg_catalog.pg_namespace rs ON rs.oid = r.typnamespace"
    ),
    database_object!("publication", "pg_publication", "pub", "NULL::text[]"),
    database_object!("fdw", "pg_foreign_data_wrapper", "fdw", acl_text!("o.fdwacl")),
    database_object!("server", "pg_foreign_server", "srv", acl_text!("o.srvacl")),
    database_object!("language", "pg_language", "lan", acl_text!("o.lanacl")),
    database_object!("extension", "pg_extension", "ext", "NULL::text[]")
);

pub(super) const DEFAULT_PRIVILEGES: &str = concat!(
    "SELECT d.defaclrole, n.nspname::text, d.defaclobjtype, ",
    acl_text!("d.defaclacl"),
    " FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace \
     ORDER BY 1, 2, 3"
);

macro_rules! columns {
    ($which:expr) => {
        concat!(
            "SELECT a.attrelid, a.attname, ",
            acl_text!("a.attacl"),
            " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid",
            join_schema!("c.relnamespace", $which),
            "WHERE a.attacl IS NOT NULL AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum"
        )
    };
}

pub(super) const COLUMNS: &str = columns!(of_people!());
pub(super) const ALL_COLUMNS: &str = columns!(lasting!());

pub(super) const LARGE_OBJECTS: &str = concat!(
    "SELECT 'largeobject', l.oid, NULL::text, l.oid::text, l.lomowner, ",
    acl_text!("l.lomacl"),
    ", false FROM pg_catalog.pg_largeobject_metadata l WHERE l.lomowner = $1 ORDER BY l.oid"
);
