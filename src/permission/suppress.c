/*
 * permission/suppress.c
 *	  Telling gate "suppression" that nothing goes to an address.
 *
 * The rows are written by SQL function _suppress(); this file gives it to other
 * rooms, and gives SQL the hashes of addresses.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "common/sha2.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/clock.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "permission/address.h"
#include "permission/suppress.h"

PG_FUNCTION_INFO_V1(journey_orch_address_hash);
PG_FUNCTION_INFO_V1(journey_orch_address_hash_of_sha256);

enum
{
	ARG_HASH,
	ARG_CHANNEL,
	ARG_TOPIC,
	ARG_REASON,
	ARG_EXPIRES_AT,
	ARG_SOURCE,
	ARG_DETAIL,
	ARGS
};

static void
set_text(Datum *values, char *nulls, int argument, const char *string)
{
	nulls[argument] = string == NULL ? 'n' : ' ';
	values[argument] = string == NULL ? (Datum) 0 : CStringGetTextDatum(string);
}

int64
jo_suppress(const JoSuppression *suppression)
{
	Oid			types[ARGS] = {BYTEAOID, TEXTOID, TEXTOID, TEXTOID,
	TIMESTAMPTZOID, TEXTOID, JSONBOID};
	Datum		values[ARGS];
	char		nulls[ARGS + 1] = "       ";
	bytea	   *hash;
	int64		suppression_id;
	bool		isnull;
	JoRunAs		saved;

	jo_leaf_ensure();
	hash = jo_address_hash(suppression->address);
	if (hash == NULL)
		return 0;
	values[ARG_HASH] = PointerGetDatum(hash);
	set_text(values, nulls, ARG_CHANNEL, suppression->channel);
	set_text(values, nulls, ARG_TOPIC, suppression->topic);
	set_text(values, nulls, ARG_REASON, suppression->reason);
	values[ARG_EXPIRES_AT] = TimestampTzGetDatum(suppression->expires_at);
	if (suppression->expires_at == JO_NO_TIME)
		nulls[ARG_EXPIRES_AT] = 'n';
	set_text(values, nulls, ARG_SOURCE, suppression->source);
	values[ARG_DETAIL] = JsonbPGetDatum(suppression->detail);
	if (suppression->detail == NULL)
		nulls[ARG_DETAIL] = 'n';

	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args("SELECT journey_orch._suppress($1, $2, $3, $4, $5, $6, $7)",
							  ARGS, types, values, nulls, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not suppress an address");
	suppression_id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
												 SPI_tuptable->tupdesc, 1,
												 &isnull));
	SPI_finish();
	jo_run_as_end(&saved);
	return suppression_id;
}

/* SQL: _address_hash(address); NULL for an empty one. */
Datum
journey_orch_address_hash(PG_FUNCTION_ARGS)
{
	bytea	   *hash;

	jo_leaf_ensure();
	hash = jo_address_hash(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (hash == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(hash);
}

/* SQL: _address_hash_of_sha256(sha256) */
Datum
journey_orch_address_hash_of_sha256(PG_FUNCTION_ARGS)
{
	bytea	   *sha256 = PG_GETARG_BYTEA_PP(0);

	if (VARSIZE_ANY_EXHDR(sha256) != PG_SHA256_DIGEST_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a SHA-256 has 32 bytes, not %d",
						(int) VARSIZE_ANY_EXHDR(sha256)),
				 errhint("Give the SHA-256 of each normalized address; see docs/consent.md.")));
	jo_leaf_ensure();
	PG_RETURN_BYTEA_P(jo_address_hash_of_sha256((uint8 *) VARDATA_ANY(sha256)));
}
