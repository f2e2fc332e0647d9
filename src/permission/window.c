/*
 * permission/window.c
 *	  The hours in which a channel sends: read, and when they next begin.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "core/errors.h"
#include "permission/place.h"
#include "permission/window.h"

/* Zones with hours that never meet are given up after so many steps. */
#define MAX_STEPS 1000

static void
raise_invalid(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", what),
			 errhint("A window is an object such as {\"from\": \"08:00\", \"to\": \"21:00\", \"weekdays\": [\"monday\"]}.")));
}

/* "HH:MM" as minute of the day; 24:00 is the end of it. */
static int
read_minute(JsonbValue *value, const char *name)
{
	char	   *text;
	int			hours;
	int			minutes;

	if (value->type == jbvString && value->val.string.len == 5)
	{
		text = pnstrdup(value->val.string.val, value->val.string.len);

		if (strspn(text, "0123456789:") == 5 && text[2] == ':' &&
			sscanf(text, "%2d:%2d", &hours, &minutes) == 2 &&
			minutes < MINS_PER_HOUR &&
			hours * MINS_PER_HOUR + minutes <= HOURS_PER_DAY * MINS_PER_HOUR)
			return hours * MINS_PER_HOUR + minutes;
	}
	raise_invalid(psprintf("\"%s\" of a window must be a time such as 08:00",
						   name));
	return 0;
}

static int
read_weekdays(JsonbValue *value)
{
	int			weekdays = 0;

	if (value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data))
		raise_invalid("\"weekdays\" of a window must be an array");
	for (uint32 i = 0; i < JsonContainerSize(value->val.binary.data); i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(value->val.binary.data, i);
		char	   *name = element->type == jbvString ?
		pnstrdup(element->val.string.val, element->val.string.len) : "";
		int			day = 0;

		while (day < 7 && pg_strcasecmp(days[day], name) != 0)
			day++;
		if (day == 7)
			raise_invalid(psprintf("invalid weekday \"%s\"", jo_clipped(name)));
		weekdays |= 1 << day;
	}
	if (weekdays == 0)
		raise_invalid("\"weekdays\" of a window must not be empty");
	return weekdays;
}

void
jo_window_read(Jsonb *object, JoLocalPattern *pattern)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	member;
	bool		has_from = false;
	bool		has_to = false;

	memset(pattern, 0, sizeof(*pattern));
	pattern->has_window = true;
	if (!JB_ROOT_IS_OBJECT(object))
		raise_invalid("a window must be a JSON object");
	iterator = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&iterator, &member, true)) != WJB_DONE)
	{
		char	   *key;

		if (token != WJB_KEY)
			continue;
		key = pnstrdup(member.val.string.val, member.val.string.len);
		(void) JsonbIteratorNext(&iterator, &member, true);
		if (strcmp(key, "from") == 0)
		{
			pattern->from = read_minute(&member, key);
			has_from = true;
		}
		else if (strcmp(key, "to") == 0)
		{
			pattern->to = read_minute(&member, key);
			has_to = true;
		}
		else if (strcmp(key, "weekdays") == 0)
			pattern->window_weekdays = read_weekdays(&member);
		else
			raise_invalid(psprintf("member \"%s\" of a window is not known",
								   jo_clipped(key)));
	}
	if (!has_from || !has_to || pattern->from == pattern->to)
		raise_invalid("a window needs \"from\" and \"to\", which differ");
}

TimestampTz
jo_window_next(const JoLocalPattern *pattern, pg_tz *const *zones, int n,
			   TimestampTz clock)
{
	TimestampTz instant = clock;

	for (int step = 0; step < MAX_STEPS; step++)
	{
		TimestampTz before = instant;

		for (int i = 0; i < n; i++)
		{
			if (!jo_pattern_next(pattern, instant, zones[i], &instant))
				return DT_NOEND;
		}
		if (instant == before)
			return instant;
	}
	return DT_NOEND;
}

TimestampTz
jo_window_next_for(const JoLocalPattern *pattern,
				   const JoGateQuestion *question, TimestampTz clock)
{
	JoPlace		place;

	jo_place_find(question, &place);
	return jo_window_next(pattern, place.zones, place.n, clock);
}
