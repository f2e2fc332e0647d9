/*
 * core/identity.c
 *	  Incarnations of the logs, computed ids, and buckets of experiments.
 *
 * Ids are UUIDs of version 8 (RFC 9562).  128 bits of input go through the
 * finaliser of MurmurHash3's 128-bit form, which is a bijection, so that
 * within one database distinct (journey, event) give distinct values up to the
 * six bits that version and variant overwrite.  The cluster's system
 * identifier, the database's OID and the incarnation only shift the input.
 * No secrecy is meant: an id is not a token.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/append.h"
#include "core/cache.h"
#include "core/compat.h"
#include "core/identity.h"
#include "core/internal.h"
#include "core/leaf.h"

#define BUCKETS 10000

/* The newest row of table "incarnation", as read by read_incarnation_row(). */
static int32 incarnation_newest;	/* 0: no row */
static bool incarnation_is_ours;
static uint64 id_seed[2];

static JoCache incarnation_cache = {
	.name = "incarnation",
	.tables = {"incarnation"}
};

PG_FUNCTION_INFO_V1(journey_orch_bucket);

void
jo_identity_init(void)
{
	jo_cache_register(&incarnation_cache);
}

/* The 64-bit finaliser of MurmurHash3: a bijection. */
static uint64
mix64(uint64 k)
{
	k ^= k >> 33;
	k *= UINT64CONST(0xff51afd7ed558ccd);
	k ^= k >> 33;
	k *= UINT64CONST(0xc4ceb9fe1a85ec53);
	k ^= k >> 33;

	return k;
}

/* Turn 128 bits of input into a UUID of version 8. */
static void
make_uuid(pg_uuid_t *result, uint64 h1, uint64 h2)
{
	h1 += h2;
	h2 += h1;
	h1 = mix64(h1);
	h2 = mix64(h2);
	h1 += h2;
	h2 += h1;

	h1 = pg_hton64(h1);
	h2 = pg_hton64(h2);
	memcpy(&result->data[0], &h1, sizeof(h1));
	memcpy(&result->data[8], &h2, sizeof(h2));
	result->data[6] = (result->data[6] & 0x0f) | 0x80;
	result->data[8] = (result->data[8] & 0x3f) | 0x80;
}

/* Keep the row if it is the newest so far. */
static void
read_incarnation_row(TupleTableSlot *slot, void *arg)
{
	bool		isnull;
	int32		number = DatumGetInt32(slot_getattr(slot, 1, &isnull));
	uint64		system = (uint64) DatumGetInt64(slot_getattr(slot, 2, &isnull));
	Oid			database = DatumGetObjectId(slot_getattr(slot, 3, &isnull));
	int32		lanes = DatumGetInt32(slot_getattr(slot, 4, &isnull));

	if (number <= incarnation_newest)
		return;
	if (lanes != JO_LANES)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database has %d lanes, but the library was built for %d",
						lanes, JO_LANES),
				 errhint("Install the library that this database was made with.")));

	incarnation_newest = number;
	incarnation_is_ours = system == GetSystemIdentifier() &&
		database == MyDatabaseId;
	id_seed[0] = mix64(system);
	id_seed[1] = mix64(((uint64) database << 32) | (uint32) number);
}

static void
load_incarnation(void)
{
	if (jo_cache_begin(&incarnation_cache))
	{
		incarnation_newest = 0;
		incarnation_is_ours = false;
		jo_cache_read_table("incarnation", read_incarnation_row, NULL);
		jo_cache_filled(&incarnation_cache);
	}
	jo_cache_end(&incarnation_cache);
}

bool
jo_incarnation_exists(void)
{
	load_incarnation();
	return incarnation_newest > 0;
}

bool
jo_incarnation_is_adopted(void)
{
	load_incarnation();
	return incarnation_newest == 0 || incarnation_is_ours;
}

int32
jo_incarnation(void)
{
	load_incarnation();
	if (incarnation_newest == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("journey_orch has not been used in this database yet"),
				 errhint("Begin with journey_orch.bind_customer(), watch() or define().")));

	return incarnation_is_ours ? incarnation_newest : incarnation_newest + 1;
}

/* The caller holds JO_LOCK_SETUP, so two sessions never append the same one. */
void
jo_incarnation_ensure(void)
{
	Datum		values[5];
	bool		isnull[5] = {false};
	JoAppend   *append;

	if (jo_incarnation_exists())
		return;

	values[0] = Int32GetDatum(1);
	values[1] = Int64GetDatum((int64) GetSystemIdentifier());
	values[2] = ObjectIdGetDatum(MyDatabaseId);
	values[3] = Int32GetDatum(JO_LANES);
	values[4] = TimestampTzGetDatum(GetCurrentTimestamp());

	append = jo_append_begin(jo_relation_oid("incarnation"));
	jo_append_row(append, values, isnull);
	jo_append_end(append);

	jo_cache_invalidate("incarnation");
	CommandCounterIncrement();
}

void
jo_enrollment_id(pg_uuid_t *result, int32 journey_id, int64 event_id)
{
	(void) jo_incarnation();
	make_uuid(result, id_seed[0] + (uint64) event_id,
			  id_seed[1] + (uint32) journey_id);
}

void
jo_message_id(pg_uuid_t *result, const pg_uuid_t *enrollment_id, int32 visit)
{
	uint64		h1;
	uint64		h2;

	memcpy(&h1, &enrollment_id->data[0], sizeof(h1));
	memcpy(&h2, &enrollment_id->data[8], sizeof(h2));
	make_uuid(result, pg_ntoh64(h1), pg_ntoh64(h2) ^ mix64((uint32) visit));
}

/* Feed the UTF-8 bytes of "string" to the hash. */
static void
hash_utf8(pg_cryptohash_ctx *hash, const char *string)
{
	char	   *utf8 = pg_server_to_any(string, strlen(string), PG_UTF8);

	if (pg_cryptohash_update(hash, (const uint8 *) utf8, strlen(utf8)) < 0)
		elog(ERROR, "could not update SHA-256");
}

uint64
jo_unit_hash(const char *experiment, const char *salt, const char *unit)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	uint64		number;

	if (pg_cryptohash_init(hash) < 0)
		elog(ERROR, "could not begin SHA-256");
	hash_utf8(hash, experiment);
	hash_utf8(hash, ":");
	hash_utf8(hash, salt);
	hash_utf8(hash, ":");
	hash_utf8(hash, unit);
	if (pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not finish SHA-256");
	pg_cryptohash_free(hash);

	memcpy(&number, digest, sizeof(number));
	return pg_ntoh64(number);
}

int
jo_bucket(const char *experiment, const char *salt, const char *unit)
{
	return jo_unit_hash(experiment, salt, unit) % BUCKETS;
}

/* bucket(experiment, salt, unit) → 0 .. 9999 */
Datum
journey_orch_bucket(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(jo_bucket(text_to_cstring(PG_GETARG_TEXT_PP(0)),
							  text_to_cstring(PG_GETARG_TEXT_PP(1)),
							  text_to_cstring(PG_GETARG_TEXT_PP(2))));
}
