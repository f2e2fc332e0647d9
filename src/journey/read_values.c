/*
 * journey/read_values.c
 *	  The small parts of a definition: texts, durations, expressions, matches
 *	  and the names of steps.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"

#include "core/civil.h"
#include "core/errors.h"
#include "journey/reader.h"

/* Nobody waits longer; it also keeps every due time in range. */
#define MAX_DURATION_MONTHS (100 * 12)

bool
jo_read_member(JsonbValue *object, const char *key, const JoPath *parent,
			   JsonbValue *value, JoPath *path)
{
	if (object->type != jbvBinary ||
		!JsonContainerIsObject(object->val.binary.data) ||
		getKeyJsonValueFromContainer(object->val.binary.data, key,
									 strlen(key), value) == NULL)
		return false;
	path->parent = parent;
	path->key = key;
	path->key_length = strlen(key);
	path->index = 0;
	return true;
}

bool
jo_read_object(JsonbValue *object, const char *key, const JoPath *parent,
			   JsonbValue *value, JoPath *path)
{
	return jo_read_member(object, key, parent, value, path) &&
		value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

bool
jo_read_array(JsonbValue *object, const char *key, const JoPath *parent,
			  JsonbValue *value, JoPath *path)
{
	return jo_read_member(object, key, parent, value, path) &&
		value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data);
}

char *
jo_value_string(const JsonbValue *value)
{
	return value->type == jbvString ?
		pnstrdup(value->val.string.val, value->val.string.len) : NULL;
}

char *
jo_read_string(JsonbValue *object, const char *key)
{
	JsonbValue	value;
	JoPath		path;

	return jo_read_member(object, key, NULL, &value, &path) ?
		jo_value_string(&value) : NULL;
}

int
jo_read_integer(JsonbValue *object, const char *key, int otherwise)
{
	JsonbValue	value;
	JoPath		path;
	double		number;

	if (!jo_read_member(object, key, NULL, &value, &path) ||
		value.type != jbvNumeric)
		return otherwise;
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												NumericGetDatum(value.val.numeric)));
	return number >= PG_INT32_MIN && number <= PG_INT32_MAX ?
		(int) number : otherwise;
}

bool
jo_read_boolean(JsonbValue *object, const char *key, bool otherwise)
{
	JsonbValue	value;
	JoPath		path;

	if (!jo_read_member(object, key, NULL, &value, &path) ||
		value.type != jbvBool)
		return otherwise;
	return value.val.boolean;
}

/* The code of an expression's error, by what PostgreSQL says it is. */
static JoFindingCode
expression_code(const char *sqlstate)
{
	static const struct
	{
		const char *sqlstate;
		JoFindingCode code;
	}			codes[] = {
		{"42601", JO_FINDING_EXPRESSION_SYNTAX},
		{"42702", JO_FINDING_EXPRESSION_NAME},
		{"42703", JO_FINDING_EXPRESSION_NAME},
		{"42704", JO_FINDING_EXPRESSION_NAME},
		{"42883", JO_FINDING_EXPRESSION_NAME},
		{"42P01", JO_FINDING_EXPRESSION_NAME},
		{"3F000", JO_FINDING_EXPRESSION_NAME},
		{"22P02", JO_FINDING_EXPRESSION_TYPE},
		{"42725", JO_FINDING_EXPRESSION_TYPE},
		{"42804", JO_FINDING_EXPRESSION_TYPE},
		{"42846", JO_FINDING_EXPRESSION_TYPE},
		{"42P18", JO_FINDING_EXPRESSION_TYPE},
		{"42501", JO_FINDING_EXPRESSION_RIGHTS},
		{"0A000", JO_FINDING_EXPRESSION_REFUSED},
		{"42803", JO_FINDING_EXPRESSION_REFUSED},
		{"42P20", JO_FINDING_EXPRESSION_REFUSED},
		{"JO002", JO_FINDING_EXPRESSION_REFUSED}
	};

	for (int i = 0; i < lengthof(codes); i++)
	{
		if (strcmp(codes[i].sqlstate, sqlstate) == 0)
			return codes[i].code;
	}
	return JO_FINDING_EXPRESSION_INVALID;
}

void
jo_add_expression_finding(JoReader *reader, const JoPath *path,
						  const JoError *error)
{
	JoFindingCode code = expression_code(error->sqlstate);
	StringInfoData hint;
	JoFinding  *finding;

	initStringInfo(&hint);
	if (error->position > 0)
		appendStringInfo(&hint, "At character %d of the expression.", error->position);
	if (error->detail)
		appendStringInfo(&hint, "%s%s", hint.len > 0 ? " " : "", error->detail);
	if (error->hint)
		appendStringInfo(&hint, "%s%s", hint.len > 0 ? " " : "", error->hint);
	finding = jo_finding_add(reader->findings, code, path,
							 hint.len > 0 ? hint.data : NULL,
							 "%s", error->message);
	strlcpy(finding->sqlstate, error->sqlstate, sizeof(finding->sqlstate));
}

static JoExpression *
read_expression(JoReader *reader, JsonbValue *object, const char *key,
				const JoPath *parent, Oid result_type, int variables,
				bool may_write)
{
	JsonbValue	value;
	JoPath		path;
	JoScope		scope;
	JoError    *error = NULL;
	JoExpression *expression;

	if (!jo_read_member(object, key, parent, &value, &path) ||
		value.type != jbvString || value.val.string.len == 0)
		return NULL;

	CHECK_FOR_INTERRUPTS();
	scope.customer_type = reader->customer_type;
	scope.variables = variables;
	scope.checks_rights = reader->is_for_author;
	scope.may_write = may_write;
	expression = jo_expression_compile(jo_value_string(&value), result_type,
									   reader->owner, &scope, &error);
	if (expression == NULL)
		jo_add_expression_finding(reader, &path, error);
	else
		reader->graph->uses |= jo_expression_uses(expression);
	return expression;
}

JoExpression *
jo_read_expression(JoReader *reader, JsonbValue *object, const char *key,
				   const JoPath *parent, Oid result_type, int variables)
{
	return read_expression(reader, object, key, parent, result_type,
						   variables, false);
}

JoExpression *
jo_read_call_expression(JoReader *reader, JsonbValue *object, const char *key,
						const JoPath *parent, Oid result_type, int variables)
{
	return read_expression(reader, object, key, parent, result_type,
						   variables, true);
}

/* interval_in() without its error: false when "text" is no interval. */
static bool
parse_interval(const char *text, Interval *interval)
{
	struct pg_itm_in fields = {0};
	char	   *field[MAXDATEFIELDS];
	int			ftype[MAXDATEFIELDS];
	char		buffer[256];
	int			nfields;
	int			dtype = DTK_DELTA;
	int			error;

	error = ParseDateTime(text, buffer, sizeof(buffer), field, ftype,
						  MAXDATEFIELDS, &nfields);
	if (error == 0)
		error = DecodeInterval(field, ftype, nfields, INTERVAL_FULL_RANGE,
							   &dtype, &fields);
	if (error == DTERR_BAD_FORMAT)
		error = DecodeISO8601Interval(unconstify(char *, text), &dtype, &fields);
	return error == 0 && dtype == DTK_DELTA &&
		itmin2interval(&fields, interval) == 0;
}

bool
jo_value_duration(JoReader *reader, const JsonbValue *value,
				  const JoPath *path, JoDuration *duration)
{
	char	   *text = jo_value_string(value);
	Interval   *interval = &duration->interval;

	/* An empty or overlong one has its structural finding. */
	if (text == NULL || text[0] == '\0' || strlen(text) > 400)
		return false;
	if (!parse_interval(text, interval))
	{
		jo_finding_add(reader->findings, JO_FINDING_BAD_DURATION, path, NULL,
					   "\"%s\" is not an interval", text);
		return false;
	}
	if (interval->month < 0 || interval->day < 0 || interval->time < 0 ||
		(interval->month == 0 && interval->day == 0 && interval->time == 0))
	{
		jo_finding_add(reader->findings, JO_FINDING_BAD_DURATION, path,
					   "Every part of it must be positive.",
					   "\"%s\" is not longer than zero", text);
		return false;
	}
	if (interval->month > MAX_DURATION_MONTHS ||
		interval->day > MAX_DURATION_MONTHS * 31 ||
		interval->time / USECS_PER_DAY > MAX_DURATION_MONTHS * 31)
	{
		jo_finding_add(reader->findings, JO_FINDING_BAD_DURATION, path,
					   "The longest is a hundred years.",
					   "\"%s\" is too long", text);
		return false;
	}
	duration->is_elapsed = interval->month == 0 && interval->day == 0;
	return true;
}

bool
jo_read_duration(JoReader *reader, JsonbValue *object, const char *key,
				 const JoPath *parent, JoDuration *duration)
{
	JsonbValue	value;
	JoPath		path;

	return jo_read_member(object, key, parent, &value, &path) &&
		jo_value_duration(reader, &value, &path, duration);
}

void
jo_read_timezone(JoReader *reader, JsonbValue *object, const JoPath *parent)
{
	JsonbValue	value;
	JoPath		path;
	char	   *name;

	reader->graph->timezone = pstrdup("UTC");
	if (!jo_read_member(object, "timezone", parent, &value, &path) ||
		(name = jo_value_string(&value)) == NULL || name[0] == '\0')
		return;
	if (jo_zone_find(name) != NULL)
	{
		reader->graph->timezone = name;
		reader->graph->has_timezone = true;
	}
	else
		jo_finding_add(reader->findings, JO_FINDING_BAD_TIMEZONE, &path, NULL,
					   "time zone \"%s\" is not known", name);
}

bool
jo_read_offset(JoReader *reader, JsonbValue *object, const char *key,
			   const JoPath *parent, Interval *offset)
{
	JsonbValue	value;
	JoPath		path;
	char	   *text;

	if (!jo_read_member(object, key, parent, &value, &path) ||
		(text = jo_value_string(&value)) == NULL ||
		text[0] == '\0' || strlen(text) > 400)
		return false;
	if (parse_interval(text, offset) &&
		abs(offset->month) <= MAX_DURATION_MONTHS &&
		abs(offset->day) <= MAX_DURATION_MONTHS * 31 &&
		Abs(offset->time) / USECS_PER_DAY <= MAX_DURATION_MONTHS * 31)
		return true;
	jo_finding_add(reader->findings, JO_FINDING_BAD_DURATION, &path,
				   "Write a PostgreSQL interval such as \"-3 days\", of at most a hundred years.",
				   "\"%s\" is no offset", text);
	return false;
}

/* "of": the send step whose messages are meant. */
static int
read_of(JoReader *reader, JsonbValue *object, const JoPath *parent,
		const char *on)
{
	JsonbValue	value;
	JoPath		path;
	int			step;

	if (!jo_read_member(object, "of", parent, &value, &path) ||
		value.type != jbvString)
		return JO_NO_STEP;
	step = jo_find_step(reader, value.val.string.val, value.val.string.len);
	if (step == JO_NO_STEP)
		jo_finding_add(reader->findings, JO_FINDING_UNKNOWN_STEP, &path, NULL,
					   "step \"%s\" does not exist", jo_value_string(&value));
	else if (reader->sources[step].has_verb &&
			 reader->sources[step].verb != JO_SEND)
		jo_finding_add(reader->findings, JO_FINDING_BAD_OF, &path, NULL,
					   "step \"%s\" sends no message", jo_value_string(&value));
	else if (on == NULL || strncmp(on, "message.", 8) != 0)
		jo_finding_add(reader->findings, JO_FINDING_BAD_OF, &path, NULL,
					   "event \"%s\" does not report on a message",
					   on ? on : "any");
	return step;
}

void
jo_read_match(JoReader *reader, JsonbValue *object, const JoPath *path,
			  JoMatch *match)
{
	JsonbValue	ignored;
	JoPath		key_path;

	match->on = jo_read_string(object, "on");
	match->when = jo_read_expression(reader, object, "when", path, BOOLOID,
									 JO_SCOPE_RUN);
	match->match_key = jo_read_expression(reader, object, "match_key", path,
										  TEXTOID, JO_SCOPE_ENTRY);
	match->of = read_of(reader, object, path, match->on);
	match->next = JO_NO_STEP;
	match->path = jo_path_pointer(path);
	reader->slots = lappend(reader->slots, &match->of);

	if (jo_read_member(object, "match_key", path, &ignored, &key_path) &&
		!reader->has_entry_key)
		jo_finding_add(reader->findings, JO_FINDING_NO_ENTRY_KEY, &key_path, NULL,
					   "the entry gives runs no key to compare with");
}

int
jo_find_step(JoReader *reader, const char *name, int length)
{
	int			low = 0;
	int			high = reader->nsteps;

	/* The order of keys in jsonb: length first, then bytes. */
	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		JsonbValue *candidate = &reader->sources[middle].name;
		int			order = length - candidate->val.string.len;

		if (order == 0)
			order = memcmp(name, candidate->val.string.val, length);
		if (order == 0)
			return middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return JO_NO_STEP;
}

static void
add_unknown_step(JoReader *reader, const JsonbValue *name, const JoPath *path)
{
	const char *closest = NULL;
	char	   *text = jo_value_string(name);

	/* A guess looks at every step, so only the first few get one. */
	if (reader->unknown_steps++ < 10)
	{
		const char **names = palloc(sizeof(char *) * (reader->nsteps + 1));

		for (int i = 0; i < reader->nsteps; i++)
			names[i] = jo_value_string(&reader->sources[i].name);
		closest = jo_closest(text, strlen(text), names, reader->nsteps);
	}
	jo_finding_add(reader->findings, JO_FINDING_UNKNOWN_STEP, path,
				   closest ? psprintf("Perhaps you mean \"%s\".", closest) : NULL,
				   "step \"%s\" does not exist", text);
}

void
jo_add_edge(JoReader *reader, int from, int to, const char *label,
			bool is_instant)
{
	JoEdge	   *edge;

	if (reader->nedges >= reader->edge_room)
	{
		reader->edge_room = Max(64, reader->edge_room * 2);
		reader->edges = reader->edges == NULL ?
			palloc(sizeof(JoEdge) * reader->edge_room) :
			repalloc_huge(reader->edges, sizeof(JoEdge) * reader->edge_room);
	}
	edge = &reader->edges[reader->nedges++];
	edge->from = from;
	edge->to = to;
	edge->is_instant = is_instant;
	edge->label = label;
}

void
jo_read_target(JoReader *reader, int from, JsonbValue *object,
			   const char *key, const JoPath *parent, const char *label,
			   bool is_instant, int *slot)
{
	JsonbValue	value;
	JoPath		path;
	int			to;

	*slot = JO_NO_STEP;
	if (!jo_read_member(object, key, parent, &value, &path) ||
		value.type != jbvString)
		return;
	to = jo_find_step(reader, value.val.string.val, value.val.string.len);
	if (to == JO_NO_STEP)
		add_unknown_step(reader, &value, &path);
	*slot = to;
	reader->slots = lappend(reader->slots, slot);
	if (from != JO_NO_STEP)
		jo_add_edge(reader, from, to, label, is_instant);
}

const JoPath *
jo_path_copy(const JoPath *path)
{
	JoPath	   *copy;

	if (path == NULL)
		return NULL;
	copy = palloc(sizeof(JoPath));
	*copy = *path;
	copy->parent = jo_path_copy(path->parent);
	return copy;
}

JoNameUse *
jo_use_name(JoReader *reader, JoNameKind kind, char *name, char *channel,
			const JoPath *path)
{
	JoNameUse  *use = palloc0(sizeof(JoNameUse));

	use->kind = kind;
	use->name = name;
	use->channel = channel;
	use->path = jo_path_copy(path);
	reader->name_uses = lappend(reader->name_uses, use);
	return use;
}
