/*
 * journey/read_entry.c
 *	  Who enters a journey, what it is for, and what ends it early.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "core/civil.h"
#include "core/cron.h"
#include "journey/reader.h"

/* Exit reasons of the engine: an author's own would be counted with them. */
static const char *const reserved_reasons[] = {
	"customer_absent", "customer_deleted", "customer_erased", "goal",
	"journey_archived", "journey_stopped", "left", "missing_date",
	"parent_ended", "past_date", "spin", "superseded"
};

bool
jo_reason_is_reserved(const char *reason)
{
	for (int i = 0; i < lengthof(reserved_reasons); i++)
	{
		if (strcmp(reason, reserved_reasons[i]) == 0)
			return true;
	}
	return false;
}

static void
read_reentry(JoReader *reader, JsonbValue *entry, const JoPath *entry_path,
			 JoEntry *result)
{
	JsonbValue	reentry;
	JoPath		path;
	JoDuration	cooldown;
	char	   *word;

	/* A date enters once for each of its values and recurrences anyway. */
	result->reentry = result->kind == JO_ENTRY_DATE ? JO_REENTRY_AFTER_EXIT :
		JO_REENTRY_NEVER;
	if (!jo_read_object(entry, "reentry", entry_path, &reentry, &path))
		return;
	word = jo_read_string(&reentry, "policy");
	if (word && strcmp(word, "never") == 0)
		result->reentry = JO_REENTRY_NEVER;
	else if (word && strcmp(word, "after_exit") == 0)
		result->reentry = JO_REENTRY_AFTER_EXIT;
	else if (word && strcmp(word, "any") == 0)
		result->reentry = JO_REENTRY_ANY;

	result->has_cooldown = jo_read_duration(reader, &reentry, "cooldown", &path,
											&cooldown);
	if (result->has_cooldown)
		result->cooldown = cooldown.interval;
	word = jo_read_string(&reentry, "cooldown_scope");
	result->cooldown_by_key = word && strcmp(word, "key") == 0;
	if (result->cooldown_by_key && !reader->has_entry_key)
	{
		JsonbValue	ignored;
		JoPath		scope_path;

		(void) jo_read_member(&reentry, "cooldown_scope", &path, &ignored, &scope_path);
		jo_finding_add(reader->findings, JO_FINDING_NO_ENTRY_KEY, &scope_path, NULL,
					   "the entry gives runs no key to tell apart");
	}
}

static void
read_caps(JoReader *reader, JsonbValue *entry, const JoPath *entry_path,
		  JoCaps *result)
{
	JsonbValue	caps;
	JsonbValue	customer;
	JoPath		path;
	JoPath		customer_path;

	if (!jo_read_object(entry, "caps", entry_path, &caps, &path))
		return;
	result->at_once_per_customer =
		jo_read_integer(&caps, "at_once_per_customer", 0);
	result->at_once = jo_read_integer(&caps, "at_once", 0);
	result->total = jo_read_integer(&caps, "total", 0);
	if (jo_read_object(&caps, "per_customer", &path, &customer,
					   &customer_path) &&
		jo_read_duration(reader, &customer, "per", &customer_path,
						 &result->per))
		result->per_customer = jo_read_integer(&customer, "max", 0);
}

/* "journey": true, or a list of those whose enter steps may start a run. */
static void
read_parents(JsonbValue *value, JoEntry *result)
{
	int			n;

	if (value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data))
		return;
	n = JsonContainerSize(value->val.binary.data);
	result->parents = palloc0(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		JsonbValue *parent = getIthJsonbValueFromContainer(value->val.binary.data, i);
		char	   *name = jo_value_string(parent);

		if (name != NULL)
			result->parents[result->nparents++] = name;
	}
}

/* What of a schedule can be wrong; its times are read from the stored
 * definition (enrollment/schedule.c). */
static void
read_schedule(JoReader *reader, JsonbValue *schedule, const JoPath *path,
			  JoEntry *result)
{
	char	   *times = jo_read_string(schedule, "cron");
	char	   *zone = jo_read_string(schedule, "timezone");
	JsonbValue	ignored;
	JoPath		here;
	JoCron		cron;

	result->kind = JO_ENTRY_SCHEDULE;
	result->audience = jo_read_audience(reader, schedule, "audience", path);
	if (times != NULL && times[0] != '\0')
	{
		char	   *fault = jo_cron_parse(times, &cron);

		if (fault == NULL &&
			jo_cron_next(&cron, 0, jo_zone_get(NULL)) == DT_NOEND)
			fault = psprintf("\"%s\" never comes", times);
		(void) jo_read_member(schedule, "cron", path, &ignored, &here);
		if (fault != NULL)
			jo_finding_add(reader->findings, JO_FINDING_BAD_CRON, &here, NULL,
						   "%s", fault);
	}
	if (zone != NULL && zone[0] != '\0' && jo_zone_find(zone) == NULL)
	{
		(void) jo_read_member(schedule, "timezone", path, &ignored, &here);
		jo_finding_add(reader->findings, JO_FINDING_BAD_TIMEZONE, &here, NULL,
					   "time zone \"%s\" is not known", zone);
	}
}

/* Which of the entry's forms it is.  Where it is a command that enters, the
 * command brings the key. */
static void
read_entry_kind(JoReader *reader, JsonbValue *entry, const JoPath *path,
				JoEntry *result)
{
	JsonbValue	value;
	JoPath		value_path;

	result->on = jo_read_string(entry, "on");
	if (jo_read_member(entry, "audience", path, &value, &value_path))
	{
		result->kind = JO_ENTRY_FAN_OUT;
		result->audience = jo_read_audience(reader, entry, "audience", path);
	}
	if (jo_read_member(entry, "date", path, &value, &value_path))
	{
		result->kind = JO_ENTRY_DATE;
		jo_read_entry_date(reader, &value, &value_path, result);
	}
	else if (jo_read_member(entry, "api", path, &value, &value_path))
		result->kind = JO_ENTRY_API;
	else if (jo_read_object(entry, "schedule", path, &value, &value_path))
		read_schedule(reader, &value, &value_path, result);
	else if (jo_read_member(entry, "journey", path, &value, &value_path))
	{
		result->kind = JO_ENTRY_JOURNEY;
		read_parents(&value, result);
	}
	reader->has_entry_key = result->kind == JO_ENTRY_API ||
		result->kind == JO_ENTRY_JOURNEY ||
		jo_read_member(entry, "key", path, &value, &value_path);
}

/* A date that recurs for nothing. */
static void
check_recurrence(JoReader *reader, JsonbValue *entry, const JoPath *path,
				 const JoEntry *result)
{
	JsonbValue	date;
	JoPath		date_path;

	if (result->recurs && result->reentry == JO_REENTRY_NEVER &&
		result->key == NULL &&
		jo_read_object(entry, "date", path, &date, &date_path))
		jo_check_effect(reader, &date, &date_path, "every",
						"a \"reentry\" that lets a customer enter again");
}

void
jo_read_entry(JoReader *reader, JsonbValue *root)
{
	JsonbValue	entry;
	JsonbValue	value;
	JoPath		path;
	JoPath		value_path;
	JoEntry    *result = &reader->graph->entry;

	if (!jo_read_object(root, "entry", NULL, &entry, &path))
		return;
	read_entry_kind(reader, &entry, &path, result);
	result->when = jo_read_expression(reader, &entry, "when", &path, BOOLOID,
									  JO_SCOPE_ENTRY);
	result->key = jo_read_expression(reader, &entry, "key", &path, TEXTOID,
									 JO_SCOPE_ENTRY);
	read_reentry(reader, &entry, &path, result);
	check_recurrence(reader, &entry, &path, result);
	read_caps(reader, &entry, &path, &result->caps);
	if (jo_read_member(&entry, "holdout", &path, &value, &value_path) &&
		value.type == jbvNumeric)
		result->holdout =
			DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											   NumericGetDatum(value.val.numeric)));
}

void
jo_read_goal(JoReader *reader, JsonbValue *root)
{
	JsonbValue	goal;
	JoPath		path;
	JoGoal	   *result = &reader->graph->goal;

	result->match.of = result->match.next = JO_NO_STEP;
	if (!jo_read_object(root, "goal", NULL, &goal, &path))
		return;
	reader->graph->has_goal = true;
	jo_read_match(reader, &goal, &path, &result->match);
	result->value = jo_read_expression(reader, &goal, "value", &path, NUMERICOID,
									   JO_SCOPE_RUN);
	result->currency = jo_read_expression(reader, &goal, "currency", &path,
										  TEXTOID, JO_SCOPE_RUN);
	result->has_within = jo_read_duration(reader, &goal, "within", &path,
										  &result->within);
	result->ends = jo_read_boolean(&goal, "exit", true);
}

void
jo_read_exits(JoReader *reader, JsonbValue *root)
{
	JsonbValue	rules;
	JoPath		path;
	JoPath		here = {&path, NULL, 0, 0};
	JoGraph    *graph = reader->graph;
	int			n;

	if (!jo_read_array(root, "exit", NULL, &rules, &path))
		return;
	n = JsonContainerSize(rules.val.binary.data);
	graph->exits = palloc0(sizeof(JoMatch) * Max(n, 1));
	graph->exit_reasons = palloc0(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		JsonbValue *rule = getIthJsonbValueFromContainer(rules.val.binary.data, i);
		JsonbValue	reason;
		JoPath		reason_path;
		char	   *word;

		here.index = i;
		jo_read_match(reader, rule, &here, &graph->exits[i]);
		word = jo_read_string(rule, "reason");
		graph->exit_reasons[i] = word ? word : pstrdup("exit_rule");
		if (word && jo_reason_is_reserved(word) &&
			jo_read_member(rule, "reason", &here, &reason, &reason_path))
			jo_finding_add(reader->findings, JO_FINDING_RESERVED_NAME,
						   &reason_path, NULL,
						   "exit reason \"%s\" is one that the engine records", word);
	}
	graph->nexits = n;
}
