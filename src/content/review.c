/*
 * content/review.c
 *	  Review by a second person: the setting, who counts as one, and
 *	  approve_template().
 *
 * People are session users: two people who share a role by SET ROLE are two, one
 * person who acts in two roles is one.  Who has changed his session
 * authorization counts as both.  A superuser is nobody special here, since he
 * is the one most likely to be in a hurry; the setting can only be changed in
 * the server's configuration.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "content/template.h"
#include "core/definition.h"
#include "core/errors.h"
#include "core/lane.h"
#include "core/run_as.h"

PG_FUNCTION_INFO_V1(journey_orch_approve_template);

bool		jo_require_review = false;

/* Arguments of approve_template(), in order. */
enum
{
	ARG_NAME,
	ARG_CHANNEL,
	ARG_NOTE,
	ARG_LOCALE,
	ARG_VERSION
};

void
jo_review_ensure_second(const char *author, const char *what)
{
	if (strcmp(GetUserNameFromId(GetSessionUserId(), false), author) != 0 &&
		strcmp(GetUserNameFromId(GetAuthenticatedUserId(), false), author) != 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("%s cannot be approved by its author", what),
			 errdetail("It was written by session user \"%s\".", author),
			 errhint("Somebody else has to look at it, in a session of his own.")));
}

static char *
required_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of %s() must not be null",
						name, "approve_template")));
	return text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/* The author of a version (0: the newest); NULL: there is none such. */
static char *
find_author(const char *name, const char *channel, const char *locale,
			int32 *version)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[4] = {TEXTOID, TEXTOID, TEXTOID, INT4OID};
	Datum		values[4];
	char	   *author = NULL;
	JoRunAs		saved;
	bool		isnull;

	values[0] = CStringGetTextDatum(name);
	values[1] = CStringGetTextDatum(channel);
	values[2] = CStringGetTextDatum(locale);
	values[3] = Int32GetDatum(*version);
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args("SELECT version, created_by::text"
							  " FROM journey_orch.message_template"
							  " WHERE name = $1 AND channel = $2 AND locale = $3"
							  " AND $4 IN (0, version)"
							  " ORDER BY version DESC LIMIT 1",
							  4, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read templates");
	if (SPI_processed > 0)
	{
		*version = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0],
											   SPI_tuptable->tupdesc, 1,
											   &isnull));
		author = MemoryContextStrdup(caller,
									 SPI_getvalue(SPI_tuptable->vals[0],
												  SPI_tuptable->tupdesc, 2));
	}
	SPI_finish();
	jo_run_as_end(&saved);
	return author;
}

static void
write_approval(const char *name, const char *channel, const char *locale,
			   int32 version, const char *note)
{
	Oid			types[5] = {TEXTOID, TEXTOID, TEXTOID, INT4OID, TEXTOID};
	Datum		values[5];
	char		nulls[6] = "     ";
	JoRunAs		saved;

	values[0] = CStringGetTextDatum(name);
	values[1] = CStringGetTextDatum(channel);
	values[2] = CStringGetTextDatum(locale);
	values[3] = Int32GetDatum(version);
	values[4] = note != NULL ? CStringGetTextDatum(note) : (Datum) 0;
	nulls[4] = note != NULL ? ' ' : 'n';
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args("UPDATE journey_orch.message_template"
							  " SET approved_by = session_user, approved_at = clock_timestamp(),"
							  "  approval_note = $5"
							  " WHERE name = $1 AND channel = $2 AND locale = $3 AND version = $4",
							  5, types, values, nulls, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not write an approval");
	SPI_finish();
	jo_run_as_end(&saved);
	jo_definition_changed("message_template");
}

/*
 * approve_template(name, channel, note, locale, version) → the version that is
 * approved.
 */
Datum
journey_orch_approve_template(PG_FUNCTION_ARGS)
{
	char	   *name = required_argument(fcinfo, ARG_NAME, "name");
	char	   *channel = required_argument(fcinfo, ARG_CHANNEL, "channel");
	char	   *note = PG_ARGISNULL(ARG_NOTE) ? NULL :
	text_to_cstring(PG_GETARG_TEXT_PP(ARG_NOTE));
	char	   *given = PG_ARGISNULL(ARG_LOCALE) ? NULL :
	text_to_cstring(PG_GETARG_TEXT_PP(ARG_LOCALE));
	char	   *locale = jo_locale_canonical(given);
	int32		version = PG_ARGISNULL(ARG_VERSION) ? 0 :
	PG_GETARG_INT32(ARG_VERSION);
	char	   *author = NULL;

	PreventCommandIfReadOnly("journey_orch.approve_template()");
	jo_lock(JO_LOCK_NAME, jo_lock_key(psprintf("template %s %s", name, channel)));
	if (locale != NULL && (PG_ARGISNULL(ARG_VERSION) || version > 0))
		author = find_author(name, channel, locale, &version);
	if (author == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 PG_ARGISNULL(ARG_VERSION) ?
				 errmsg("template \"%s\" of channel \"%s\" does not exist",
						jo_clipped(name), jo_clipped(channel)) :
				 errmsg("template \"%s\" of channel \"%s\" has no version %d",
						jo_clipped(name), jo_clipped(channel), version),
				 given != NULL ? errdetail("Looked for locale \"%s\".",
										   jo_clipped(given)) : 0,
				 errhint("View template shows all of them.")));
	jo_review_ensure_second(author, psprintf("version %d of template \"%s\"",
											 version, name));
	write_approval(name, channel, locale, version, note);
	PG_RETURN_INT32(version);
}

/* Register the setting. */
void
jo_review_init(void)
{
	DefineCustomBoolVariable("journey_orch.require_review",
							 "Publishes, and sends, only what a second session user has approved.",
							 "See journey_orch.approve_version() and journey_orch.approve_template().",
							 &jo_require_review,
							 false,
							 PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
}
