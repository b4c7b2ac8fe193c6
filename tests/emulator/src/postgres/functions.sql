-- The functions that Azure puts into database `postgres`, for Entra administrators only.
-- They run as the platform's superuser; who asks is `session_user`.

create or replace function pg_catalog.pgaadauth_require_administrator() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from pg_roles where rolname = session_user and rolsuper) then
        return;
    end if;
    if not pg_has_role(session_user, 'azure_pg_admin', 'member') or not exists (
        select from pg_shseclabel s join pg_roles r on r.oid = s.objoid and s.classoid = 'pg_authid'::regclass
        where r.rolname = session_user and s.provider = 'pgaadauth' and s.label ~ ',admin(,mfa)?$'
    ) then
        raise exception 'must be a Microsoft Entra administrator to manage Microsoft Entra principals'
            using errcode = '42501';
    end if;
end $$;

create or replace function pg_catalog.pgaadauth_bind(rolename text, objectid text, objecttype text, isadmin boolean, ismfa boolean)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format('security label for "pgaadauth" on role %I is %L', rolename,
        'aadauth,oid=' || objectid || ',type=' || objecttype
        || case when isadmin then ',admin' else '' end || case when ismfa then ',mfa' else '' end);
    if isadmin then
        -- An administrator is not managed by the others, and would otherwise be its own member.
        perform pgaadauth_manage(rolename, false);
        execute format('alter role %I createrole createdb', rolename);
        execute format('grant azure_pg_admin to %I', rolename);
    elsif pg_has_role(rolename, 'azure_pg_admin', 'member') then
        execute format('alter role %I nocreaterole nocreatedb', rolename);
        execute format('revoke azure_pg_admin from %I', rolename);
    end if;
    if not isadmin then
        perform pgaadauth_manage(rolename, true);
    end if;
end $$;

-- From 16 on CREATEROLE reaches only roles on which the caller has ADMIN OPTION; on Azure every administrator manages
-- every ordinary role. No inheritance: managing a role must not give its privileges. With strict roles it is as on
-- stock PostgreSQL: only who made a role manages it.
create or replace function pg_catalog.pgaadauth_manage(rolename text, managed boolean) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    is_managed constant boolean := exists (
        select from pg_auth_members where roleid = (select oid from pg_roles where pg_roles.rolname = pgaadauth_manage.rolename) and member = 'azure_pg_admin'::regrole);
begin
    if current_setting('server_version_num')::int < 160000 or managed = is_managed then
        return;
    elsif current_setting('pgaadauth.strict_roles', true) = 'on' then
        if managed and session_user <> 'azuresu' and rolename <> session_user then
            execute format('grant %I to %I with admin true, inherit false, set false', rolename, session_user);
        end if;
        return;
    elsif managed then
        execute format('grant %I to azure_pg_admin with admin true, inherit false, set false', rolename);
    else
        execute format('revoke %I from azure_pg_admin', rolename);
    end if;
end $$;

-- The directory's entry for an object ID, as far as this server can see it yet.
create or replace function pg_catalog.pgaadauth_validate(objectid text, objecttype text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    found_kind text;
    found_hidden bigint;
begin
    if objecttype is null or objecttype not in ('user', 'group', 'service') then
        raise exception 'invalid object type: ''%'', must be one of ''user'', ''group'', ''service''', objecttype
            using errcode = '22023';
    end if;
    if objectid is null or objectid !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
        raise exception 'invalid object id: ''%''', objectid using errcode = '22023';
    end if;
    select kind, hidden into found_kind, found_hidden from pgaadauth_directory where object_id = objectid;
    -- A sequence counts the look-ups, since the failed ones are rolled back.
    if found_kind is null or (found_hidden > 0
        and nextval(('pg_catalog.pgaadauth_hidden_' || md5(objectid))::regclass) <= found_hidden) then
        raise exception 'Could not validate AAD user % because its name is not found in the tenant.', objectid
            using errcode = 'XX000';
    end if;
    if found_kind <> objecttype then
        raise exception 'incorrect object type provided for principal, given object type: ''%'', actual object type: ''%''',
            objecttype, found_kind using errcode = 'XX000';
    end if;
end $$;

create or replace function pg_catalog.pgaadauth_create_principal_with_oid(
    rolename text, objectid text, objecttype text, isadmin boolean, ismfa boolean)
returns text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform pgaadauth_require_administrator();
    perform pgaadauth_validate(objectid, objecttype);
    execute format('create role %I login', rolename);
    perform pgaadauth_bind(rolename, objectid, objecttype, isadmin, ismfa);
    return format('Created role for "%s"', rolename);
end $$;

create or replace function pg_catalog.pgaadauth_create_principal(rolename text, isadmin boolean, ismfa boolean)
returns text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    entry record;
    entries bigint;
begin
    perform pgaadauth_require_administrator();
    select count(*) into entries from pgaadauth_directory where name = rolename;
    if entries > 1 then
        raise exception 'Could not validate AAD user % because its name is not unique in the tenant.', rolename
            using errcode = 'XX000';
    end if;
    select * into entry from pgaadauth_directory where name = rolename;
    if not found then
        raise exception 'Could not validate AAD user % because its name is not found in the tenant.', rolename
            using errcode = 'XX000';
    end if;
    perform pgaadauth_validate(entry.object_id, entry.kind);
    execute format('create role %I login', rolename);
    perform pgaadauth_bind(rolename, entry.object_id, entry.kind, isadmin, ismfa);
    return format('Created role for "%s"', rolename);
end $$;

create or replace function pg_catalog.pgaadauth_update_principal_with_oid(
    rolename text, objectid text, objecttype text, isadmin boolean, ismfa boolean)
returns text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform pgaadauth_require_administrator();
    perform pgaadauth_validate(objectid, objecttype);
    if not exists (select from pg_roles where pg_roles.rolname = pgaadauth_update_principal_with_oid.rolename) then
        raise exception 'role "%" does not exist', rolename using errcode = '42704';
    end if;
    perform pgaadauth_bind(rolename, objectid, objecttype, isadmin, ismfa);
    return format('Updated role for "%s"', rolename);
end $$;

create or replace function pg_catalog.pgaadauth_list_principals(isadminvalue boolean)
returns table (rolname name, principaltype text, objectid text, tenantid text, ismfa int, isadmin int)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform pgaadauth_require_administrator();
    return query
        select r.rolname, substring(s.label from ',type=([a-z]+)'), substring(s.label from ',oid=([0-9a-f-]+)'),
            '{tenant}'::text, (s.label ~ ',mfa$')::int, (s.label ~ ',admin(,mfa)?$')::int
        from pg_shseclabel s join pg_roles r on r.oid = s.objoid and s.classoid = 'pg_authid'::regclass
        where s.provider = 'pgaadauth' and (not isadminvalue or s.label ~ ',admin(,mfa)?$')
        order by r.rolname;
end $$;

revoke all on function pg_catalog.pgaadauth_require_administrator() from public;
revoke all on function pg_catalog.pgaadauth_bind(text, text, text, boolean, boolean) from public;
revoke all on function pg_catalog.pgaadauth_validate(text, text) from public;
revoke all on function pg_catalog.pgaadauth_manage(text, boolean) from public;
