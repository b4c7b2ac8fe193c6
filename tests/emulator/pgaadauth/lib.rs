//! PostgreSQL's side of an Entra role: the security label provider `pgaadauth`, as Azure loads it.
//!
//! It checks that a label has the exact form and that the caller is an Entra administrator. It knows no token and no
//! directory. From PostgreSQL 16 on it also keeps Azure's exception that every administrator manages every ordinary
//! role, however that role was made. Written against the server's exported functions by hand, so that no server headers are needed; the
//! layout of the magic block differs between major versions and is chosen by `--cfg major="15"`.

use std::ffi::{CStr, c_char, c_int};
#[cfg(any(major = "16", major = "17", major = "18"))]
use std::ffi::{c_long, c_void};

/// What PostgreSQL compares before it loads a library.
#[repr(C)]
pub struct Magic {
    length: c_int,
    version: c_int,
    function_arguments: c_int,
    index_keys: c_int,
    name_length: c_int,
    float8_by_value: c_int,
    #[cfg(not(any(major = "13", major = "14")))]
    extra: [u8; 32],
    #[cfg(major = "18")]
    module_name: usize,
    #[cfg(major = "18")]
    module_version: usize,
}

const VERSION: c_int = if cfg!(major = "13") {
    1300
} else if cfg!(major = "14") {
    1400
} else if cfg!(major = "15") {
    1500
} else if cfg!(major = "16") {
    1600
} else if cfg!(major = "17") {
    1700
} else {
    1800
};

const ERROR: c_int = if cfg!(major = "13") { 20 } else { 21 };

#[cfg(not(any(major = "13", major = "14")))]
const fn extra() -> [u8; 32] {
    let name = b"PostgreSQL";
    let mut bytes = [0; 32];
    let mut index = 0;
    while index < name.len() {
        bytes[index] = name[index];
        index += 1;
    }
    bytes
}

static MAGIC: Magic = Magic {
    length: size_of::<Magic>() as c_int,
    version: VERSION,
    function_arguments: 100,
    index_keys: 32,
    name_length: 64,
    float8_by_value: 1,
    #[cfg(not(any(major = "13", major = "14")))]
    extra: extra(),
    #[cfg(major = "18")]
    module_name: 0,
    #[cfg(major = "18")]
    module_version: 0,
};

#[repr(C)]
pub struct ObjectAddress {
    class: u32,
    object: u32,
    part: i32,
}

/// The catalogue `pg_authid`: the class of roles.
const ROLES: u32 = 1260;

type Hook = extern "C-unwind" fn(*const ObjectAddress, *const c_char);

unsafe extern "C-unwind" {
    fn register_label_provider(name: *const c_char, hook: Hook);
    fn errstart(level: c_int, domain: *const c_char) -> bool;
    fn errcode(state: c_int) -> c_int;
    fn errmsg(format: *const c_char, ...) -> c_int;
    fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
    fn superuser() -> bool;
    fn GetUserId() -> u32;
    fn GetSecurityLabel(object: *const ObjectAddress, provider: *const c_char) -> *mut c_char;
    fn get_role_oid(name: *const c_char, missing_ok: bool) -> u32;
    fn is_member_of_role(member: u32, role: u32) -> bool;
}

#[cfg(any(major = "16", major = "17", major = "18"))]
type AccessHook = extern "C-unwind" fn(c_int, u32, u32, c_int, *mut c_void);

#[cfg(any(major = "16", major = "17", major = "18"))]
unsafe extern "C-unwind" {
    static mut object_access_hook: Option<AccessHook>;
    fn GetConfigOption(name: *const c_char, missing_ok: bool, restricted: bool) -> *const c_char;
    fn GetSessionUserId() -> u32;
    fn GetUserIdAndSecContext(user: *mut u32, context: *mut c_int);
    fn SetUserIdAndSecContext(user: u32, context: c_int);
    fn GetUserNameFromId(role: u32, missing_ok: bool) -> *mut c_char;
    fn quote_identifier(name: *const c_char) -> *const c_char;
    fn psprintf(format: *const c_char, ...) -> *mut c_char;
    fn CommandCounterIncrement();
    fn SPI_connect() -> c_int;
    fn SPI_execute(statement: *const c_char, read_only: bool, count: c_long) -> c_int;
    fn SPI_finish() -> c_int;
}

/// The bootstrap superuser, `azuresu`.
#[cfg(any(major = "16", major = "17", major = "18"))]
const PLATFORM: u32 = 10;

#[unsafe(no_mangle)]
pub extern "C" fn Pg_magic_func() -> *const Magic {
    &raw const MAGIC
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn _PG_init() {
    // SAFETY: called by the server while it loads the library; both pointers live as long as the process.
    unsafe {
        register_label_provider(c"pgaadauth".as_ptr(), check);
        #[cfg(any(major = "16", major = "17", major = "18"))]
        {
            // Read from the server's settings before anybody is connected; there is no such setting by default.
            let strict = GetConfigOption(c"pgaadauth.strict_roles".as_ptr(), true, false);
            if strict.is_null() || CStr::from_ptr(strict).to_bytes() != b"on" {
                object_access_hook = Some(created);
            }
        }
    }
}

/// Puts every role that a session of a user makes within reach of all administrators, without giving them its
/// privileges. Before 16 CREATEROLE is enough for that.
#[cfg(any(major = "16", major = "17", major = "18"))]
extern "C-unwind" fn created(access: c_int, class: u32, object: u32, _part: c_int, _more: *mut c_void) {
    // The first kind of access is "after creation".
    if access != 0 || class != ROLES {
        return;
    }
    // SAFETY: plain calls inside the running statement. An error in the grant jumps out of here and aborts the
    // transaction, which puts user and context back; the text lives in the server's memory.
    unsafe {
        let administrators = get_role_oid(c"azure_pg_admin".as_ptr(), true);
        if administrators == 0 || GetSessionUserId() == PLATFORM {
            return;
        }
        CommandCounterIncrement();
        let name = quote_identifier(GetUserNameFromId(object, false));
        let format = c"grant %s to azure_pg_admin with admin true, inherit false, set false";
        let statement = psprintf(format.as_ptr(), name);
        let (mut user, mut context) = (0, 0);
        GetUserIdAndSecContext(&raw mut user, &raw mut context);
        SetUserIdAndSecContext(PLATFORM, context);
        SPI_connect();
        SPI_execute(statement, false, 0);
        SPI_finish();
        SetUserIdAndSecContext(user, context);
    }
}

extern "C-unwind" fn check(object: *const ObjectAddress, label: *const c_char) {
    // SAFETY: the server passes a valid object address.
    let class = unsafe { (*object).class };
    if class != ROLES {
        refuse(sqlstate(b"0A000"), c"pgaadauth provider supports labels on roles only");
    }
    if !caller_is_entra_administrator() {
        refuse(sqlstate(b"42501"), c"must be a Microsoft Entra administrator to set the \"pgaadauth\" security label");
    }
    if label.is_null() {
        return;
    }
    // SAFETY: the server passes a C string that lives through this call.
    let text = unsafe { CStr::from_ptr(label) };
    if !well_formed(text.to_bytes()) {
        refuse(sqlstate(b"22023"), c"invalid security label format for provider \"pgaadauth\"");
    }
}

fn caller_is_entra_administrator() -> bool {
    // SAFETY: plain look-ups in the running backend; the label is copied by the server into its own memory.
    unsafe {
        if superuser() {
            return true;
        }
        let caller = GetUserId();
        let administrators = get_role_oid(c"azure_pg_admin".as_ptr(), true);
        if administrators == 0 || !is_member_of_role(caller, administrators) {
            return false;
        }
        let address = ObjectAddress { class: ROLES, object: caller, part: 0 };
        let label = GetSecurityLabel(&raw const address, c"pgaadauth".as_ptr());
        if label.is_null() {
            return false;
        }
        let text = CStr::from_ptr(label).to_bytes();
        text.ends_with(b",admin") || text.ends_with(b",admin,mfa")
    }
}

/// `aadauth,oid=<guid>,type=<user|group|service>[,admin][,mfa]`: lower case, no spaces, in this order.
fn well_formed(label: &[u8]) -> bool {
    let Some(rest) = label.strip_prefix(b"aadauth,oid=") else { return false };
    if rest.len() < 36 || !is_guid(&rest[..36]) {
        return false;
    }
    let rest = &rest[36..];
    let kinds: [&[u8]; 3] = [b",type=user", b",type=group", b",type=service"];
    let Some(rest) = kinds.iter().find_map(|kind| rest.strip_prefix(*kind)) else { return false };
    let tails: [&[u8]; 4] = [b"", b",admin", b",mfa", b",admin,mfa"];
    tails.contains(&rest)
}

fn is_guid(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
    })
}

/// PostgreSQL packs the five characters of an SQLSTATE into six bits each.
const fn sqlstate(code: &[u8; 5]) -> c_int {
    let mut packed = 0;
    let mut index = 0;
    while index < 5 {
        packed |= (((code[index] - b'0') & 0x3F) as c_int) << (6 * index);
        index += 1;
    }
    packed
}

fn refuse(state: c_int, message: &'static CStr) {
    // SAFETY: the server's own way to raise an error; `errfinish` jumps out of here and no Rust value is left behind.
    unsafe {
        if errstart(ERROR, std::ptr::null()) {
            errcode(state);
            errmsg(c"%s".as_ptr(), message.as_ptr());
        }
        errfinish(c"pgaadauth".as_ptr(), 0, c"check".as_ptr());
    }
}
