/*
 * outbox/preset.c
 *	  add_preset_channel(): set_channel() with the values of a preset.
 *
 * The presets are the rows of view channel_preset, and no code knows any of
 * them.  The call itself is made with the caller's rights, by SQL, so that
 * whatever set_channel() refuses is refused here.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "core/errors.h"
#include "core/run_as.h"
#include "outbox/internal.h"

PG_FUNCTION_INFO_V1(journey_orch_add_preset_channel);

/* The preset as an object by argument name, $2 and $3 and $4 applied. */
#define READ_PRESET \
	"SELECT (pg_catalog.to_jsonb(p) - 'preset' - 'source')" \
	" || pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(" \
	"      'address_sql', $2, 'channel', coalesce($3, p.preset))) || $4," \
	" (SELECT k FROM pg_catalog.jsonb_object_keys($4) AS k" \
	"   WHERE NOT pg_catalog.to_jsonb(p) ? k OR k IN ('preset', 'source') LIMIT 1)" \
	" FROM journey_orch.channel_preset AS p WHERE p.preset = $1"

#define CALL \
	"SELECT journey_orch.set_channel(a.channel, a.address_sql, a.kind, a.drain," \
	" a.rate, a.send_window, a.unit_cost, a.currency, a.max_attempts," \
	" a.retry_after, a.retry_max, a.expires_after, a.size_limit, a.consent," \
	" a.dispositions, a.opt_out)" \
	" FROM pg_catalog.jsonb_to_record($1) AS a(channel text, address_sql text," \
	" kind text, drain text, rate numeric, send_window jsonb, unit_cost numeric," \
	" currency text, max_attempts integer, retry_after interval," \
	" retry_max interval, expires_after interval, size_limit integer," \
	" consent text, dispositions text[], opt_out text)"

static void
ensure_arguments(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		jo_relay_null("add_preset_channel", "preset");
	if (PG_ARGISNULL(3))
		jo_relay_null("add_preset_channel", "settings");
	if (!JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(3)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a JSON object", "settings"),
				 errhint("Its keys are arguments of journey_orch.set_channel().")));
}

/*
 * The arguments of set_channel() as an object, copied to the caller's context;
 * SPI is connected.
 */
static Datum
read_preset(Datum *values, const char *nulls)
{
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID, JSONBOID};
	JoRunAs		saved;
	char	   *unknown;
	bool		isnull;

	jo_run_as_extension(&saved);
	if (SPI_execute_with_args(READ_PRESET, lengthof(types), types, values,
							  nulls, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the presets");
	jo_run_as_end(&saved);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("preset \"%s\" does not exist",
						jo_clipped(TextDatumGetCString(values[0]))),
				 errhint("View journey_orch.channel_preset lists them; journey_orch.set_channel() declares a channel without one.")));
	unknown = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
	if (unknown != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("setting \"%s\" of a channel is not known",
						jo_clipped(unknown)),
				 errhint("Use the names of arguments of journey_orch.set_channel().")));
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
						 &isnull);
}

/* add_preset_channel(preset, address_sql, channel, settings) */
Datum
journey_orch_add_preset_channel(PG_FUNCTION_ARGS)
{
	Oid			type = JSONBOID;
	Datum		values[4];
	char		nulls[5] = "    ";
	Datum		arguments;

	ensure_arguments(fcinfo);
	for (int i = 0; i < lengthof(values); i++)
	{
		values[i] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
		if (PG_ARGISNULL(i))
			nulls[i] = 'n';
	}
	SPI_connect();
	arguments = read_preset(values, nulls);
	if (SPI_execute_with_args(CALL, 1, &type, &arguments, NULL, false,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "could not call set_channel()");
	SPI_finish();
	PG_RETURN_VOID();
}
