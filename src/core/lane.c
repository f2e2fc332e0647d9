/*
 * core/lane.c
 *	  The lane of a customer, and the advisory locks that lanes and the other
 *	  rooms' single writers hold.
 *
 * The hash is FNV-1a (64 bits) over the UTF-8 bytes of the id, finished by the
 * 64-bit finaliser of MurmurHash3, which spreads FNV's weak low bits; the lane
 * is the hash mod JO_LANES.  It works on bytes and 64-bit arithmetic only, so
 * it is the same on every machine.  It is part of the stored data: it must
 * never change (docs/concepts.md and sql/core.sql hold test vectors).
 *
 * Locks end with the transaction (the supervisor's with its process).  They
 * live in the space of advisory locks but carry their own fourth field, so
 * pg_advisory_lock() cannot take them, and pg_locks shows them.
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "core/compat.h"
#include "core/lane.h"

#define FNV_OFFSET_BASIS	UINT64CONST(0xcbf29ce484222325)
#define FNV_PRIME			UINT64CONST(0x00000100000001b3)

/* pg_advisory_lock() uses 1 and 2 here; ours is "JO" in ASCII. */
#define LOCKTAG_JO			0x4a4f

PG_FUNCTION_INFO_V1(journey_orch_lane_of);

uint64
jo_lane_hash(const char *bytes, int length)
{
	uint64		hash = FNV_OFFSET_BASIS;

	for (int i = 0; i < length; i++)
	{
		hash ^= (unsigned char) bytes[i];
		hash *= FNV_PRIME;
	}

	hash ^= hash >> 33;
	hash *= UINT64CONST(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	hash *= UINT64CONST(0xc4ceb9fe1a85ec53);
	hash ^= hash >> 33;

	return hash;
}

/*
 * Raises when the server encoding cannot be converted to UTF-8 for this id.
 * A database in SQL_ASCII has no encoding: its bytes are hashed as they are.
 */
int
jo_lane_of(const char *customer, int length)
{
	int			encoding = GetDatabaseEncoding();
	char	   *utf8;
	uint64		hash;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return jo_lane_hash(customer, length) % JO_LANES;

	utf8 = pg_server_to_any(customer, length, PG_UTF8);
	if (utf8 == customer)
		return jo_lane_hash(customer, length) % JO_LANES;
	hash = jo_lane_hash(utf8, strlen(utf8));
	pfree(utf8);

	return hash % JO_LANES;
}

int
jo_lane_of_text(const text *customer)
{
	return jo_lane_of(VARDATA_ANY(customer), VARSIZE_ANY_EXHDR(customer));
}

Datum
journey_orch_lane_of(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(jo_lane_of_text(PG_GETARG_TEXT_PP(0)));
}

/* Fill in the tag of one of our locks in this database. */
static void
set_lock_tag(LOCKTAG *tag, JoLockKind kind, uint32 key)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) kind, key, LOCKTAG_JO);
}

void
jo_lock(JoLockKind kind, uint32 key)
{
	LOCKTAG		tag;

	set_lock_tag(&tag, kind, key);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

bool
jo_lock_conditional(JoLockKind kind, uint32 key)
{
	LOCKTAG		tag;

	set_lock_tag(&tag, kind, key);
	return LockAcquire(&tag, ExclusiveLock, false, true) !=
		LOCKACQUIRE_NOT_AVAIL;
}

void
jo_lock_shared(JoLockKind kind, uint32 key)
{
	LOCKTAG		tag;

	set_lock_tag(&tag, kind, key);
	(void) LockAcquire(&tag, ShareLock, false, false);
}

void
jo_unlock_shared(JoLockKind kind, uint32 key)
{
	LOCKTAG		tag;

	set_lock_tag(&tag, kind, key);
	(void) LockRelease(&tag, ShareLock, false);
}

bool
jo_lock_session_conditional(JoLockKind kind, uint32 key)
{
	LOCKTAG		tag;

	set_lock_tag(&tag, kind, key);
	return LockAcquire(&tag, ExclusiveLock, true, true) !=
		LOCKACQUIRE_NOT_AVAIL;
}

uint32
jo_lock_key(const char *name)
{
	return (uint32) jo_lane_hash(name, strlen(name));
}
