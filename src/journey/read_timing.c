/*
 * journey/read_timing.c
 *	  The time forms of a definition: delays for a duration, until a local time
 *	  or a date, and the date at which a wait times out.
 *
 * The grammar lets weekdays, windows and hours be combined freely; a
 * combination that has no instant is an error here, and a key that can change
 * nothing is a warning.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "journey/reader.h"

/* In the order of the bits of a pattern. */
static const char *const weekday_names[] = {
	"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"
};

/* "09:00" as minutes of the day; false when there is none, or a malformed one. */
static bool
read_local_time(JsonbValue *object, const char *key, int *minutes)
{
	char	   *text = jo_read_string(object, key);

	if (text == NULL || strlen(text) != 5 || text[2] != ':' ||
		strspn(text, "0123456789:") != 5)
		return false;
	*minutes = ((text[0] - '0') *10 + text[1] - '0') *MINS_PER_HOUR +
		(text[3] - '0') *10 + text[4] - '0';

	return true;
}

static int
read_weekdays(JsonbValue *object)
{
	JsonbValue	days;
	JoPath		path;
	int			bits = 0;

	if (!jo_read_array(object, "weekdays", NULL, &days, &path))
		return 0;
	for (int i = 0; i < JsonContainerSize(days.val.binary.data); i++)
	{
		JsonbValue *day = getIthJsonbValueFromContainer(days.val.binary.data, i);
		char	   *name = jo_value_string(day);

		for (int bit = 0; name != NULL && bit < lengthof(weekday_names); bit++)
		{
			if (strcmp(name, weekday_names[bit]) == 0)
				bits |= 1 << bit;
		}
	}
	return bits;
}

static bool
is_word(JsonbValue *object, const char *key, const char *word)
{
	char	   *text = jo_read_string(object, key);

	return text !=NULL && strcmp(text, word) == 0;
}

/* A key that can change nothing. */
void
jo_check_effect(JoReader *reader, JsonbValue *object, const JoPath *parent,
				const char *key, const char *needs)
{
	JsonbValue	ignored;
	JoPath		path;

	if (jo_read_member(object, key, parent, &ignored, &path))
		jo_finding_add(reader->findings, JO_FINDING_NO_EFFECT, &path, NULL,
					   "\"%s\" changes nothing without %s", key, needs);
}

/* Weekdays, hour and window that no instant has. */
static void
check_pattern(JoReader *reader, const JoLocalPattern *pattern,
			  JsonbValue *object, const JoPath *parent)
{
	char	   *at = jo_read_string(object, "at");

	if (jo_pattern_is_possible(pattern))
		return;
	if (pattern->has_window && pattern->from == pattern->to)
		jo_finding_add(reader->findings, JO_FINDING_NEVER_DUE, parent, NULL,
					   "the window ends when it begins");
	else if (!jo_pattern_at_is_inside(pattern))
		jo_finding_add(reader->findings, JO_FINDING_NEVER_DUE, parent, NULL,
					   "%s lies outside the window", at);
	else
		jo_finding_add(reader->findings, JO_FINDING_NEVER_DUE, parent, NULL,
					   "the window opens on none of the weekdays%s%s",
					   at ? " for " : "", at ? at : "");
}

/* at, weekdays, window, gap, overlap, jitter: those that are there. */
static void
read_timing(JoReader *reader, JsonbValue *object, const JoPath *path,
			JoTiming *timing)
{
	JoLocalPattern *pattern = &timing->pattern;
	JsonbValue	window;
	JoPath		window_path;

	pattern->has_at = read_local_time(object, "at", &pattern->at);
	pattern->weekdays = read_weekdays(object);
	if (jo_read_object(object, "window", path, &window, &window_path) &&
		read_local_time(&window, "from", &pattern->from) &&
		read_local_time(&window, "to", &pattern->to))
	{
		pattern->has_window = true;
		pattern->window_weekdays = read_weekdays(&window);
	}
	if (is_word(object, "gap", "skip"))
		pattern->policy.gap = JO_GAP_SKIP;
	if (is_word(object, "overlap", "first"))
		pattern->policy.overlap = JO_OVERLAP_FIRST;
	timing->has_jitter = jo_read_duration(reader, object, "jitter", path,
										  &timing->jitter);
	check_pattern(reader, pattern, object, path);
}

/* What a policy for past or missing dates does, with its way out. */
static void
read_lapse(JoReader *reader, JoStep *step, JsonbValue *object,
		   const JoPath *parent, const char *key, JoLapsePolicy *policy)
{
	JsonbValue	value;
	JoPath		path;
	JoPath		exit_path;
	JsonbValue	ignored;
	char	   *reason;

	policy->lapse = JO_LAPSE_CONTINUE;
	policy->skip_to = JO_NO_STEP;
	policy->reason = psprintf("%s_date", key);
	if (is_word(object, key, "next"))
		policy->lapse = JO_LAPSE_NEXT;
	else if (is_word(object, key, "exit"))
		policy->lapse = JO_LAPSE_EXIT;
	else if (jo_read_object(object, key, parent, &value, &path))
	{
		reason = jo_read_string(&value, "exit");
		policy->lapse = reason ? JO_LAPSE_EXIT : JO_LAPSE_SKIP;
		if (reason)
			policy->reason = reason;
		if (reason && jo_reason_is_reserved(reason) &&
			jo_read_member(&value, "exit", &path, &ignored, &exit_path))
			jo_finding_add(reader->findings, JO_FINDING_RESERVED_NAME,
						   &exit_path, NULL,
						   "exit reason \"%s\" is one that the engine records",
						   reason);
		jo_read_target(reader, step->position, &value, "skip_to", &path, key,
					   true, &policy->skip_to);
	}
	if (policy->lapse == JO_LAPSE_EXIT)
		jo_add_edge(reader, step->position, JO_NO_STEP, key, true);
}

/* The expression of a date; its type says whether it is local. */
static void
read_date(JoReader *reader, JsonbValue *object, const char *key,
		  const JoPath *parent, int variables, JoDateRule *rule)
{
	JsonbValue	ignored;
	JoPath		path;

	rule->date = jo_read_expression(reader, object, key, parent, InvalidOid,
									variables);
	if (rule->date == NULL || jo_is_date_type(jo_expression_type(rule->date)))
		return;
	(void) jo_read_member(object, key, parent, &ignored, &path);
	jo_finding_add(reader->findings, JO_FINDING_EXPRESSION_TYPE, &path,
				   "Cast it: to timestamptz for an instant, to timestamp or date for local time.",
				   "a date is of type date, timestamp or timestamptz, not %s",
				   format_type_be(jo_expression_type(rule->date)));
}

void
jo_read_date_rule(JoReader *reader, JoStep *step, JsonbValue *object,
				  const char *key, const JoPath *path, JoDateRule *rule)
{
	read_date(reader, object, key, path, JO_SCOPE_RUN, rule);
	(void) jo_read_offset(reader, object, "offset", path, &rule->offset);
	rule->every.interval.month = MONTHS_PER_YEAR;
	(void) jo_read_duration(reader, object, "every", path, &rule->every);
	read_timing(reader, object, path, &rule->timing);
	read_lapse(reader, step, object, path, "past", &rule->past);
	read_lapse(reader, step, object, path, "missing", &rule->missing);
	if (rule->past.lapse != JO_LAPSE_NEXT)
		jo_check_effect(reader, object, path, "every", "\"past\": \"next\"");
}

void
jo_read_entry_date(JoReader *reader, JsonbValue *date, const JoPath *path,
				   JoEntry *entry)
{
	JoDateRule *rule = &entry->date;

	if (date->type != jbvBinary)
		return;
	read_date(reader, date, "value", path, JO_USES_CUSTOMER, rule);
	(void) jo_read_offset(reader, date, "offset", path, &rule->offset);
	entry->recurs = jo_read_duration(reader, date, "every", path, &rule->every);
	entry->enters_when_past = is_word(date, "past", "enter");
	read_timing(reader, date, path, &rule->timing);
	if (entry->recurs)
		jo_check_effect(reader, date, path, "past",
						"a date that comes only once: here the next recurrence enters");
}

/* {"for": …}: time always passes. */
static void
read_for(JoReader *reader, JsonbValue *delay, const JoPath *path,
		 JoDelay *time)
{
	(void) jo_read_duration(reader, delay, "for", path, &time->duration);
	read_timing(reader, delay, path, &time->timing);
	if (time->duration.is_elapsed && !time->timing.pattern.has_at)
	{
		jo_check_effect(reader, delay, path, "gap", "\"at\" or days");
		jo_check_effect(reader, delay, path, "overlap", "\"at\" or days");
	}
}

/* {"at": …}, {"weekdays": …}, {"window": …} */
static void
read_local(JoReader *reader, JsonbValue *delay, const JoPath *path,
		   JoDelay *time)
{
	read_timing(reader, delay, path, &time->timing);
	time->continues_when_missed = is_word(delay, "missed", "continue");
	if (!time->timing.pattern.has_at)
	{
		jo_check_effect(reader, delay, path, "missed", "\"at\"");
		jo_check_effect(reader, delay, path, "gap", "\"at\"");
		jo_check_effect(reader, delay, path, "overlap", "\"at\"");
	}
}

/*
 * The object forms of a delay but "best_time", which is not built.  A date or
 * a local time may be there on arrival, so the way on may take no time.
 */
static void
read_delay_form(JoReader *reader, JoStep *step, JsonbValue *source,
				const JoPath *path, JsonbValue *delay,
				const JoPath *delay_path, JoDelay *time)
{
	JsonbValue	ignored;
	JoPath		ignored_path;

	if (jo_read_member(delay, "for", delay_path, &ignored, &ignored_path))
		time->form = JO_DELAY_FOR;
	else if (jo_read_member(delay, "until", delay_path, &ignored, &ignored_path))
		time->form = JO_DELAY_UNTIL;
	else
		time->form = JO_DELAY_LOCAL;

	jo_read_target(reader, step->position, source, "next", path, NULL,
				   time->form != JO_DELAY_FOR, &step->next);
	switch (time->form)
	{
		case JO_DELAY_FOR:
			read_for(reader, delay, delay_path, time);
			break;
		case JO_DELAY_UNTIL:
			jo_read_date_rule(reader, step, delay, "until", delay_path,
							  &time->date);
			break;
		default:
			read_local(reader, delay, delay_path, time);
			break;
	}
}

bool
jo_read_delay(JoReader *reader, JoStep *step, JsonbValue *source,
			  const JoPath *path, JsonbValue *delay, const JoPath *delay_path,
			  JoDelay *time)
{
	JsonbValue	ignored;
	JoPath		ignored_path;

	if (delay->type == jbvString)
	{
		jo_read_target(reader, step->position, source, "next", path, NULL,
					   false, &step->next);
		(void) jo_value_duration(reader, delay, delay_path, &time->duration);
		return true;
	}
	if (delay->type != jbvBinary ||
		jo_read_member(delay, "best_time", delay_path, &ignored, &ignored_path))
		return false;
	read_delay_form(reader, step, source, path, delay, delay_path, time);
	return true;
}

/* Append a member's text with what stands before it. */
static void
append_member(StringInfo out, JsonbValue *object, const char *key,
			  const char *before)
{
	char	   *text = jo_read_string(object, key);

	if (text !=NULL)
		appendStringInfo(out, "%s%s%s", out->len > 0 ? " " : "", before, text);
}

/* Append the weekdays that are named, by their first three letters. */
static void
append_weekdays(StringInfo out, JsonbValue *object)
{
	int			bits = read_weekdays(object);
	const char *before = out->len > 0 ? " on " : "on ";

	for (int i = 1; i <= lengthof(weekday_names); i++)
	{
		int			bit = i % lengthof(weekday_names);

		if ((bits & (1 << bit)) == 0)
			continue;
		appendStringInfo(out, "%s%.3s", before, weekday_names[bit]);
		before = ", ";
	}
}

char *
jo_timing_summary(JsonbValue *object)
{
	StringInfoData out;
	JsonbValue	window;
	JoPath		path;

	initStringInfo(&out);
	append_member(&out, object, "for", "");
	append_member(&out, object, "until", "until ");
	append_member(&out, object, "date", "");
	append_member(&out, object, "offset", "offset ");
	append_weekdays(&out, object);
	append_member(&out, object, "at", "at ");
	if (jo_read_object(object, "window", NULL, &window, &path))
	{
		append_member(&out, &window, "from", "in ");
		append_member(&out, &window, "to", "- ");
		append_weekdays(&out, &window);
	}
	append_member(&out, object, "jitter", "jitter ");
	return out.data;
}
