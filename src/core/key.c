/*
 * core/key.c
 *	  The database's own secret keys, and what is computed with them.
 *
 * Table secret_key holds one key of purpose "address" for ever, and the keys of
 * purpose "token", of which the newest signs.  It is written by appending
 * tuples, never by a statement with the secret as a parameter, which could be
 * logged; only the extension's owner may read it, and pg_dump carries it, so
 * whoever holds a dump holds the keys.
 *
 * CREATE EXTENSION makes no key: a restore brings its own rows.  The first
 * declaring call does, with the leaves (jo_leaf_ensure), under the same lock.
 *
 * HMAC is PostgreSQL's common/hmac.h, which is OpenSSL's where PostgreSQL was
 * built with it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/append.h"
#include "core/cache.h"
#include "core/internal.h"
#include "core/key.h"
#include "core/lane.h"
#include "core/leaf.h"

/* Columns of table secret_key. */
enum
{
	KEY_ID,
	KEY_PURPOSE,
	KEY_SECRET,
	KEY_READS_SINCE,
	KEY_CREATED_AT,
	KEY_COLUMNS
};

/* In the order of JoKeyPurpose. */
static const char *const purposes[] = {"address", "token"};

static JoCache key_cache = {
	.name = "keys",
	.tables = {"secret_key"}
};

static List *keys = NIL;		/* of JoKey, ids descending */

void
jo_key_init(void)
{
	jo_cache_register(&key_cache);
}

/* ---- reading ---- */

static int
compare_keys(const ListCell *a, const ListCell *b)
{
	const JoKey *left = lfirst(a);
	const JoKey *right = lfirst(b);

	return left->key_id > right->key_id ? -1 : left->key_id < right->key_id;
}

static void
read_key(TupleTableSlot *slot, void *arg)
{
	int32	   *reads_since = arg;
	MemoryContext caller;
	JoKey	   *key;
	bytea	   *secret;

	slot_getallattrs(slot);
	secret = DatumGetByteaPP(slot->tts_values[KEY_SECRET]);
	if (VARSIZE_ANY_EXHDR(secret) != JO_KEY_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("key %d has a wrong length",
						DatumGetInt32(slot->tts_values[KEY_ID]))));
	caller = MemoryContextSwitchTo(jo_cache_context(&key_cache));
	key = palloc0(sizeof(JoKey));
	key->key_id = DatumGetInt32(slot->tts_values[KEY_ID]);
	key->purpose = strcmp(TextDatumGetCString(slot->tts_values[KEY_PURPOSE]),
						  purposes[JO_KEY_TOKEN]) == 0 ?
		JO_KEY_TOKEN : JO_KEY_ADDRESS;
	memcpy(key->secret, VARDATA_ANY(secret), JO_KEY_BYTES);
	*reads_since = Max(*reads_since,
					   DatumGetInt32(slot->tts_values[KEY_READS_SINCE]));
	keys = lappend(keys, key);
	MemoryContextSwitchTo(caller);
}

/* Begin to use the cache. */
static void
begin(void)
{
	int32		reads_since = 0;
	ListCell   *cell;

	if (!jo_cache_begin(&key_cache))
		return;
	keys = NIL;
	jo_cache_read_table("secret_key", read_key, &reads_since);
	list_sort(keys, compare_keys);
	foreach(cell, keys)
	{
		JoKey	   *key = lfirst(cell);

		key->is_revoked = key->purpose == JO_KEY_TOKEN &&
			key->key_id < reads_since;
	}
	jo_cache_filled(&key_cache);
}

bool
jo_key_exists(void)
{
	bool		exists;

	begin();
	exists = keys != NIL;
	jo_cache_end(&key_cache);
	return exists;
}

/* The newest key of a purpose, or the one with this id if that is not 0. */
static bool
find_key(JoKeyPurpose purpose, int32 key_id, JoKey *result)
{
	ListCell   *cell;
	bool		found = false;

	begin();
	foreach(cell, keys)
	{
		JoKey	   *key = lfirst(cell);

		if (key->purpose != purpose ||
			(key_id != 0 && key->key_id != key_id))
			continue;
		*result = *key;
		found = true;
		break;
	}
	jo_cache_end(&key_cache);
	return found;
}

void
jo_key_newest(JoKeyPurpose purpose, JoKey *key)
{
	if (!find_key(purpose, 0, key))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database has no keys yet"),
				 errhint("They are made by the first declaring call, such as journey_orch.set_channel().")));
}

bool
jo_key_find(JoKeyPurpose purpose, int32 key_id, JoKey *key)
{
	return key_id > 0 && find_key(purpose, key_id, key);
}

/* ---- making ---- */

/* Append a key made of fresh random bytes. */
static void
append_key(int32 key_id, JoKeyPurpose purpose, int32 reads_since)
{
	JoAppend   *append = jo_append_begin(jo_relation_oid("secret_key"));
	Datum		values[KEY_COLUMNS];
	bool		isnull[KEY_COLUMNS] = {false};
	bytea	   *secret = palloc(VARHDRSZ + JO_KEY_BYTES);

	SET_VARSIZE(secret, VARHDRSZ + JO_KEY_BYTES);
	if (!pg_strong_random(VARDATA(secret), JO_KEY_BYTES))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random key")));
	values[KEY_ID] = Int32GetDatum(key_id);
	values[KEY_PURPOSE] = CStringGetTextDatum(purposes[purpose]);
	values[KEY_SECRET] = PointerGetDatum(secret);
	values[KEY_READS_SINCE] = Int32GetDatum(reads_since);
	values[KEY_CREATED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	jo_append_row(append, values, isnull);
	jo_append_end(append);
	jo_cache_invalidate("secret_key");
	CommandCounterIncrement();
}

void
jo_key_ensure(void)
{
	if (jo_key_exists())
		return;
	append_key(1, JO_KEY_ADDRESS, 0);
	append_key(2, JO_KEY_TOKEN, 0);
}

int32
jo_key_rotate(bool revokes)
{
	JoKey		newest;

	jo_leaf_ensure();
	jo_lock(JO_LOCK_SETUP, 0);
	AcceptInvalidationMessages();
	jo_key_newest(JO_KEY_TOKEN, &newest);
	append_key(newest.key_id + 1, JO_KEY_TOKEN,
			   revokes ? newest.key_id + 1 : 0);
	return newest.key_id + 1;
}

/* ---- computing ---- */

void
jo_hmac(const uint8 *key, const void *data, size_t length, uint8 *result)
{
	pg_hmac_ctx *context = pg_hmac_create(PG_SHA256);

	if (context == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (pg_hmac_init(context, key, JO_KEY_BYTES) < 0 ||
		pg_hmac_update(context, data, length) < 0 ||
		pg_hmac_final(context, result, JO_KEY_BYTES) < 0)
	{
		const char *why = pg_hmac_error(context);

		pg_hmac_free(context);
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute an HMAC: %s", why)));
	}
	pg_hmac_free(context);
}

void
jo_key_derive(const uint8 *secret, const char *label, uint8 *result)
{
	jo_hmac(secret, label, strlen(label), result);
}
