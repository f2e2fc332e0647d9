/*
 * capture/emit_many.c
 *	  SQL function emit_many(): a JSON array of events, or of CloudEvents 1.0.
 *
 * Every element is read and checked before anything is written.  The first
 * bad one is refused with all that is wrong with it and its number, so that a
 * producer can repair it in one go.
 *
 * An element with "specversion" is a CloudEvents envelope: type is the event,
 * subject the customer, data the payload, time when it occurred, and source and
 * id together are the idempotency key.  Extension attributes are allowed and
 * only traceparent is kept.  Any other element is our own form, in which
 * unknown members are refused, because they are misspelt ones.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "capture/internal.h"
#include "core/errors.h"

PG_FUNCTION_INFO_V1(journey_orch_emit_many);

#define TRACE_BYTES 512

/* An element, read. */
typedef struct Element
{
	JoEvent		event;
	char	   *key;			/* or NULL */
} Element;

/* What is wrong with one element. */
typedef struct Findings
{
	StringInfoData text;
	int			count;
} Findings;

static void find(Findings *findings, const char *format,...) pg_attribute_printf(2, 3);

static void
find(Findings *findings, const char *format,...)
{
	if (findings->count++ > 0)
		appendStringInfoChar(&findings->text, ' ');
	for (;;)
	{
		va_list		arguments;
		int			needed;

		va_start(arguments, format);
		needed = appendStringInfoVA(&findings->text, format, arguments);
		va_end(arguments);
		if (needed == 0)
			return;
		enlargeStringInfo(&findings->text, needed);
	}
}

static bool
get_member(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, name, strlen(name),
										value) != NULL &&
		value->type != jbvNull;
}

/* A member that must be a string; NULL when it is absent or not one. */
static char *
get_string(JsonbContainer *object, const char *name, bool is_required,
		   Findings *findings)
{
	JsonbValue	value;

	if (!get_member(object, name, &value))
	{
		if (is_required)
			find(findings, "\"%s\" is missing.", name);
		return NULL;
	}
	if (value.type != jbvString)
	{
		find(findings, "\"%s\" is not a string.", name);
		return NULL;
	}
	return pnstrdup(value.val.string.val, value.val.string.len);
}

/* Two digits at *at, which is moved on; -1 when they are not there. */
static int
two_digits(const char **at)
{
	int			number;

	if (!isdigit((unsigned char) (*at)[0]) || !isdigit((unsigned char) (*at)[1]))
		return -1;
	number = ((*at)[0] - '0') * 10 + (*at)[1] - '0';
	*at += 2;
	return number;
}

static bool
skip(const char **at, const char *one_of)
{
	if (**at == '\0' || strchr(one_of, **at) == NULL)
		return false;
	(*at)++;
	return true;
}

/* ".123456789": microseconds, the rest cut off. */
static bool
read_fraction(const char **at, fsec_t *microseconds)
{
	int			digits = 0;

	*microseconds = 0;
	if (!skip(at, "."))
		return true;
	for (; isdigit((unsigned char) **at); (*at)++)
		if (digits++ < 6)
			*microseconds = *microseconds * 10 + **at - '0';
	for (int i = digits; i < 6; i++)
		*microseconds *= 10;
	return digits > 0;
}

/* "Z" or "+hh:mm": seconds west of UTC. */
static bool
read_zone(const char **at, int *zone)
{
	int			sign = **at == '-' ? 1 : -1;
	int			hours;
	int			minutes;

	*zone = 0;
	if (skip(at, "Zz"))
		return true;
	if (!skip(at, "+-"))
		return false;
	hours = two_digits(at);
	if (hours < 0 || !skip(at, ":"))
		return false;
	minutes = two_digits(at);
	if (hours > 15 || minutes < 0 || minutes > 59)
		return false;
	*zone = sign * (hours * SECS_PER_HOUR + minutes * SECS_PER_MINUTE);
	return true;
}

/* An RFC 3339 timestamp, which always names its zone; false: it is none. */
static bool
read_instant(const char *at, TimestampTz *result)
{
	struct pg_tm tm = {0};
	fsec_t		microseconds;
	int			zone;
	int			century = two_digits(&at);
	int			year = two_digits(&at);

	if (century < 0 || year < 0 || !skip(&at, "-"))
		return false;
	tm.tm_year = century * 100 + year;
	tm.tm_mon = two_digits(&at);
	if (!skip(&at, "-"))
		return false;
	tm.tm_mday = two_digits(&at);
	if (!skip(&at, "Tt "))
		return false;
	tm.tm_hour = two_digits(&at);
	if (!skip(&at, ":"))
		return false;
	tm.tm_min = two_digits(&at);
	if (!skip(&at, ":"))
		return false;
	tm.tm_sec = two_digits(&at);
	if (!read_fraction(&at, &microseconds) || !read_zone(&at, &zone) ||
		*at != '\0')
		return false;

	if (tm.tm_year < 1 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
		tm.tm_mday > day_tab[isleap(tm.tm_year)][tm.tm_mon - 1] ||
		tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 ||
		tm.tm_sec < 0 || tm.tm_sec > 60)
		return false;
	return tm2timestamp(&tm, microseconds, &zone, result) == 0;
}

static void
read_time(Element *element, JsonbContainer *object, const char *name,
		  Findings *findings)
{
	char	   *string = get_string(object, name, false, findings);

	if (string == NULL)
		return;
	element->event.has_occurred_at = read_instant(string,
												  &element->event.occurred_at);
	if (!element->event.has_occurred_at)
		find(findings, "\"%s\" is \"%s\", which is not an RFC 3339 timestamp such as 2026-03-01T12:00:00Z.",
			 name, jo_clipped(string));
}

static void
read_payload(Element *element, JsonbContainer *object, const char *name,
			 Findings *findings)
{
	JsonbValue	value;

	if (!get_member(object, name, &value))
		element->event.payload = jo_empty_payload();
	else if (value.type != jbvBinary ||
			 !JsonContainerIsObject(value.val.binary.data))
		find(findings, "\"%s\" is not an object.", name);
	else
		element->event.payload = JsonbValueToJsonb(&value);
}

static void
read_name(Element *element, JsonbContainer *object, const char *name,
		  Findings *findings)
{
	const char *fault;

	element->event.name = get_string(object, name, true, findings);
	if (element->event.name == NULL)
		return;
	fault = jo_event_name_fault(element->event.name);
	if (fault != NULL)
		find(findings, "\"%s\" cannot be the name of an event: %s", name, fault);
}

static void
read_customer(Element *element, JsonbContainer *object, const char *name,
			  Findings *findings)
{
	const char *fault;

	element->event.customer_id = get_string(object, name, true, findings);
	if (element->event.customer_id == NULL)
		return;
	fault = jo_customer_fault(element->event.customer_id);
	if (fault != NULL)
		find(findings, "\"%s\" cannot be a customer: %s", name, fault);
}

static void
read_trace(Element *element, JsonbContainer *object, const char *name,
		   Findings *findings)
{
	element->event.trace = get_string(object, name, false, findings);
	if (element->event.trace != NULL &&
		strlen(element->event.trace) > TRACE_BYTES)
		find(findings, "\"%s\" is longer than %d bytes.", name, TRACE_BYTES);

	/* the guard against runs that spin goes by it */
	if (element->event.trace != NULL &&
		strncmp(element->event.trace, JO_TRACE_DEPTH,
				strlen(JO_TRACE_DEPTH)) == 0)
		find(findings, "\"%s\" begins with \"%s\", which is the engine's own.",
			 name, JO_TRACE_DEPTH);
}

static void
check_key(Element *element, const char *name, Findings *findings)
{
	const char *fault = element->key == NULL ? NULL : jo_key_fault(element->key);

	if (fault != NULL)
		find(findings, "\"%s\" cannot be an idempotency key: %s", name, fault);
}

/* Refuse members we do not know. */
static void
check_members(JsonbContainer *object, Findings *findings)
{
	static const char *const members[] = {
		"event", "customer", "payload", "occurred_at", "idempotency_key",
		"trace"
	};
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		bool		is_known = false;

		if (token != WJB_KEY)
			continue;
		for (int i = 0; i < lengthof(members); i++)
			is_known |= strlen(members[i]) == value.val.string.len &&
				memcmp(members[i], value.val.string.val,
					   value.val.string.len) == 0;
		if (!is_known)
			find(findings, "\"%s\" is not a member of an event.",
				 jo_clipped(pnstrdup(value.val.string.val,
									 value.val.string.len)));
	}
}

static void
read_own_form(Element *element, JsonbContainer *object, Findings *findings)
{
	read_name(element, object, "event", findings);
	read_customer(element, object, "customer", findings);
	read_payload(element, object, "payload", findings);
	read_time(element, object, "occurred_at", findings);
	element->key = get_string(object, "idempotency_key", false, findings);
	check_key(element, "idempotency_key", findings);
	read_trace(element, object, "trace", findings);
	check_members(object, findings);
}

static void
read_cloud_event(Element *element, JsonbContainer *object, Findings *findings)
{
	char	   *version = get_string(object, "specversion", true, findings);
	char	   *source = get_string(object, "source", true, findings);
	char	   *id = get_string(object, "id", true, findings);
	JsonbValue	value;

	if (version != NULL && strcmp(version, "1.0") != 0)
		find(findings, "\"specversion\" is not 1.0.");
	read_name(element, object, "type", findings);
	read_customer(element, object, "subject", findings);
	read_payload(element, object, "data", findings);
	if (get_member(object, "data_base64", &value))
		find(findings, "\"data_base64\" is not supported.");
	read_time(element, object, "time", findings);
	read_trace(element, object, "traceparent", findings);

	if (source != NULL && source[0] == '\0')
		find(findings, "\"source\" is empty.");
	if (id != NULL && id[0] == '\0')
		find(findings, "\"id\" is empty.");

	/* A source is a URI reference and has no blank. */
	if (source != NULL && id != NULL)
		element->key = psprintf("%s %s", source, id);
	check_key(element, "id", findings);
}

/* Read one element, the "ordinal"th; raises with all findings. */
static void
read_element(Element *element, JsonbValue *value, int ordinal)
{
	Findings	findings = {0};
	JsonbContainer *object;
	JsonbValue	version;

	initStringInfo(&findings.text);
	element->event.kind = JO_EVENT_KIND_EVENT;
	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		find(&findings, "It is not an object.");
	else
	{
		object = value->val.binary.data;
		if (getKeyJsonValueFromContainer(object, "specversion",
										 strlen("specversion"), &version))
			read_cloud_event(element, object, &findings);
		else
			read_own_form(element, object, &findings);
	}

	if (findings.count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("element %d of \"%s\" is not an event", ordinal, "events"),
				 errdetail("%s", findings.text.data),
				 errhint("Elements are counted from 1; nothing was appended.")));
}

static Element *
read_elements(Jsonb *events, int *count)
{
	Element    *elements;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	int			index = 0;

	if (!JB_ROOT_IS_ARRAY(events) || JB_ROOT_IS_SCALAR(events))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a JSON array", "events")));

	*count = JB_ROOT_COUNT(events);
	elements = palloc_extended(sizeof(Element) * Max(*count, 1),
							   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	iterator = JsonbIteratorInit(&events->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (token != WJB_ELEM)
			continue;
		read_element(&elements[index], &value, index + 1);
		index++;
	}
	return elements;
}

/*
 * Draw the tickets in the order of the elements and claim the keys; an element
 * whose key is known already loses its ticket (seq 0).
 */
static void
claim_keys(Element *elements, int count)
{
	int64		ticket = 0;

	for (int i = 0; i < count; i++)
	{
		JoEvent    *event = &elements[i].event;
		StringInfoData body;
		int64		first;

		if (i % JO_TICKET_BLOCK == 0)
			ticket = jo_event_ticket(JO_TICKET_BLOCK);
		event->seq = ticket++;
		if (elements[i].key == NULL)
			continue;

		first = event->seq;
		jo_event_body(event, &body);
		if (!jo_idempotency_claim(event->name, elements[i].key, &body, &first))
			event->seq = 0;
		pfree(body.data);
	}
}

/* SQL: journey_orch.emit_many(events) */
Datum
journey_orch_emit_many(PG_FUNCTION_ARGS)
{
	Element    *elements;
	int			count;
	int64		appended = 0;
	JoEventWriter *writer;

	PreventCommandIfReadOnly("journey_orch.emit_many()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be NULL", "events")));

	elements = read_elements(PG_GETARG_JSONB_P(0), &count);
	if (count == 0)
		PG_RETURN_INT64(0);

	claim_keys(elements, count);
	writer = jo_event_writer_begin();
	for (int i = 0; i < count; i++)
	{
		if (elements[i].event.seq == 0)
			continue;
		jo_event_write(writer, &elements[i].event);
		appended++;
	}
	jo_event_writer_end(writer);

	PG_RETURN_INT64(appended);
}
