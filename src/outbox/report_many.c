/*
 * outbox/report_many.c
 *	  report_many(): a list of reports, all recorded or none.
 *
 * Reading the list raises for the first element that is no report, and names
 * it.  Then the locks are taken in one order, so that two calls do not wait for
 * each other, and each report is recorded as report() would.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

#include "core/errors.h"
#include "outbox/reporting.h"

PG_FUNCTION_INFO_V1(journey_orch_report_many);

/* Raise: what is wrong with the "ordinal"th element, and what to do. */
static void
refuse(int ordinal, const char *fault, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("element %d of \"%s\" is not a report", ordinal, "reports"),
			 errdetail("%s", fault),
			 errhint("%s", hint != NULL ? hint :
					 "Elements are counted from 1; nothing was recorded.")));
}

/* A member that must be a string; NULL when it is absent or null. */
static char *
get_member(JsonbContainer *element, const char *name, int ordinal,
		   bool is_required)
{
	JsonbValue *value = getKeyJsonValueFromContainer(element, name,
													 strlen(name), NULL);

	if (value != NULL && value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value != NULL && value->type != jbvNull)
		refuse(ordinal, psprintf("\"%s\" is not a string.", name), NULL);
	if (is_required)
		refuse(ordinal, psprintf("\"%s\" is missing.", name), NULL);
	return NULL;
}

/*
 * An instant in any form that timestamptz takes, but without raising; false
 * for what is none, and for the infinities.
 */
static bool
read_instant(const char *string, TimestampTz *result)
{
	char		work[MAXDATELEN + MAXDATEFIELDS];
	char	   *field[MAXDATEFIELDS];
	int			ftype[MAXDATEFIELDS];
	int			nfields;
	int			dtype;
	int			zone;
	struct pg_tm tm;
	fsec_t		microseconds;

	return ParseDateTime(string, work, sizeof(work), field, ftype,
						 MAXDATEFIELDS, &nfields) == 0 &&
		DecodeDateTime(field, ftype, nfields, &dtype, &tm, &microseconds,
					   &zone) == 0 &&
		dtype == DTK_DATE &&
		tm2timestamp(&tm, microseconds, &zone, result) == 0;
}

static Jsonb *
get_detail(JsonbContainer *element, int ordinal)
{
	JsonbValue *detail = getKeyJsonValueFromContainer(element, "detail",
													  strlen("detail"), NULL);

	if (detail == NULL || detail->type == jbvNull)
		return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
												  CStringGetDatum("{}")));
	if (detail->type != jbvBinary ||
		!JsonContainerIsObject(detail->val.binary.data))
		refuse(ordinal, "\"detail\" is not an object.", NULL);
	return JsonbValueToJsonb(detail);
}

/* Which message: {"message_id"} or {"channel", "provider_message_id"}. */
static void
read_message(JsonbContainer *object, int ordinal, JoReport *report)
{
	char	   *id = get_member(object, "message_id", ordinal, false);

	report->provider_id = get_member(object, "provider_message_id", ordinal,
									 false);
	if (report->provider_id != NULL && id != NULL)
		refuse(ordinal, "It has both \"message_id\" and \"provider_message_id\".",
			   NULL);
	if (report->provider_id != NULL)
	{
		report->channel = get_member(object, "channel", ordinal, true);
		return;
	}
	if (id == NULL)
		refuse(ordinal, "\"message_id\" is missing.", NULL);
	if (!jo_relay_read_uuid(id, &report->message_id))
		refuse(ordinal, psprintf("\"message_id\" is \"%s\", which is not a uuid.",
								 jo_clipped(id)),
			   "Report the message_id that claim() gave; elements are counted from 1, and nothing was recorded.");
}

/* Read one element: whose it is, "status", "at" and "detail". */
static void
read_report(JsonbValue *element, int ordinal, JoReport *report)
{
	JsonbContainer *object;
	const char *fault;
	const char *hint;
	char	   *at;

	if (element->type != jbvBinary ||
		!JsonContainerIsObject(element->val.binary.data))
		refuse(ordinal, "It is not an object.", NULL);
	object = element->val.binary.data;

	read_message(object, ordinal, report);
	report->status = get_member(object, "status", ordinal, true);
	at = get_member(object, "at", ordinal, false);
	report->has_at = at != NULL;
	if (at != NULL && !read_instant(at, &report->at))
		refuse(ordinal, psprintf("\"at\" is \"%s\", which is not an instant.",
								 jo_clipped(at)),
			   "Write it as 2026-03-01T12:00:00Z; elements are counted from 1, and nothing was recorded.");
	report->detail = get_detail(object, ordinal);
	fault = jo_report_fault(report, &hint);
	if (fault != NULL)
		refuse(ordinal, fault, hint);
}

/*
 * Lock what reports by provider id need and find their messages.  Those that
 * are to be kept until the ack get no status any more.
 */
static void
resolve(JoReport *list, int count)
{
	bool		is_wanted[JO_PROVIDER_LOCKS] = {false};

	for (int i = 0; i < count; i++)
	{
		if (list[i].provider_id == NULL)
			continue;
		jo_channel_ensure_granted(list[i].channel);
		is_wanted[jo_report_provider_lock(list[i].channel,
										  list[i].provider_id)] = true;
	}
	jo_report_lock(JO_REPORT_LOCKS, JO_PROVIDER_LOCKS, is_wanted);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (list[i].provider_id == NULL || jo_report_resolve(&list[i]))
			continue;
		jo_early_report_keep(&list[i]);
		list[i].status = NULL;
	}
}

/* report_many(reports) → how many */
Datum
journey_orch_report_many(PG_FUNCTION_ARGS)
{
	Jsonb	   *reports;
	JoReport   *list;
	bool		is_wanted[JO_REPORT_LOCKS] = {false};
	int			count;

	jo_report_begin("journey_orch.report_many()");
	if (PG_ARGISNULL(0))
		jo_relay_null("report_many", "reports");
	reports = PG_GETARG_JSONB_P(0);
	if (!JB_ROOT_IS_ARRAY(reports) || JB_ROOT_IS_SCALAR(reports))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a JSON array", "reports"),
				 errhint("Of objects with message_id, status, and, if you like, at and detail.")));
	count = JB_ROOT_COUNT(reports);
	list = palloc0(Max(1, count) * sizeof(JoReport));
	for (int i = 0; i < count; i++)
		read_report(getIthJsonbValueFromContainer(&reports->root, i), i + 1,
					&list[i]);
	resolve(list, count);
	for (int i = 0; i < count; i++)
		if (list[i].status != NULL)
			is_wanted[jo_report_message_lock(&list[i].message_id)] = true;
	jo_report_lock(0, JO_REPORT_LOCKS, is_wanted);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		list[i].others = list;
		list[i].nothers = count;
		if (list[i].status != NULL)
			(void) jo_report_record(&list[i], true, true);
	}
	jo_feedback_apply(list, count);
	PG_RETURN_INT32(count);
}
