/*
 * core/cron.c
 *	  Times of the five fields of cron, in a time zone.
 *
 * The fields are those of pg_cron: minute, hour, day of the month, month,
 * weekday; each a list of numbers, ranges and "*", the latter two with steps;
 * names of months and weekdays; "$" for the last day of the month.  When both
 * days are restricted one of them has to fit, else both: a field that begins
 * with "*" does not restrict.
 *
 * Clock changes, by the hour field.  With "*" the times follow one another in
 * elapsed time: what is skipped does not happen, what is repeated happens
 * twice.  With fixed hours each happens once a day: a skipped local time at
 * the instant moved by the gap, a repeated one at its second occurrence, as
 * everywhere in the language (core/civil.h).
 */
#include "postgres.h"

#include <ctype.h>

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "core/civil.h"
#include "core/cron.h"

/* February 29 may be eight years away. */
#define SEARCH_DAYS (9 * 366)

typedef struct Field
{
	const char *name;
	int			low;
	int			high;
	const char *const *names;	/* of low, low + 1, ...; NULL: none */
} Field;

static const char *const month_names[] = {
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct",
	"nov", "dec", NULL
};
static const char *const weekday_names[] = {
	"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL
};

static const Field fields[] = {
	{"minute", 0, 59, NULL},
	{"hour", 0, 23, NULL},
	{"day of the month", 1, 31, NULL},
	{"month", 1, 12, month_names},
	{"weekday", 0, 7, weekday_names}
};

/* A number or a name at *text, which moves behind it; -1: neither. */
static int
read_number(const Field *field, const char **text)
{
	const char *start = *text;
	int			length = 0;
	int			number = 0;

	while (isalnum((unsigned char) start[length]))
		length++;
	*text +=length;
	for (int i = 0; field->names != NULL && field->names[i] != NULL; i++)
		if (length == 3 && pg_strncasecmp(start, field->names[i], 3) == 0)
			return field->low + i;
	if (length == 0 || length > 4)
		return -1;
	for (int i = 0; i < length; i++)
	{
		if (!isdigit((unsigned char) start[i]))
			return -1;
		number = number * 10 + (start[i] - '0');
	}
	return number;
}

/* One range of a list; false when it is none. */
static bool
read_range(const Field *field, const char **text, uint64 *bits)
{
	int			from;
	int			to;
	int			step = 1;
	bool		is_range = true;

	if (**text == '*')
	{
		from = field->low;
		to = field->high;
		(*text) ++;
	}
	else
	{
		from = to = read_number(field, text);
		is_range = **text == '-';
		if (is_range)
		{
			(*text) ++;
			to = read_number(field, text);
		}
	}
	if (from < field->low || to > field->high || from > to)
		return false;
	if (**text == '/')
	{
		const Field number = {.low = 1};

		(*text) ++;
		step = is_range ? read_number(&number, text) : -1;
		if (step < 1 || step > field->high)
			return false;
	}
	for (int i = from; i <= to; i += step)
		*bits |= UINT64CONST(1) << i;
	return true;
}

/* A whole field: a list of ranges. */
static bool
read_field(const Field *field, const char *text, uint64 *bits)
{
	*bits = 0;
	for (;;)
	{
		if (!read_range(field, &text, bits))
			return false;
		if (*text == '\0')
			return true;
		if (*text ++!= ',')
			return false;
	}
}

char *
jo_cron_parse(const char *text, JoCron *cron)
{
	char	   *copy = pstrdup(text);
	char	   *rest = NULL;
	uint64		bits[lengthof(fields)];
	bool		is_any[lengthof(fields)];
	int			n = 0;

	memset(cron, 0, sizeof(JoCron));
	for (char *word = strtok_r(copy, " \t", &rest); word != NULL;
		 word = strtok_r(NULL, " \t", &rest))
	{
		if (n == lengthof(fields))
			return psprintf("\"%s\" has more than five fields", text);
		is_any[n] = word[0] == '*';
		bits[n] = 0;
		if (n == 2 && strcmp(word, "$") == 0)
			cron->is_last_day = true;
		else if (!read_field(&fields[n], word, &bits[n]))
			return psprintf("\"%s\" is no %s", word, fields[n].name);
		n++;
	}
	if (n < lengthof(fields))
		return psprintf("\"%s\" has %d of five fields", text, n);
	cron->minutes = bits[0];
	cron->hours = (uint32) bits[1];
	cron->days = (uint32) bits[2];
	cron->months = (uint32) bits[3];
	cron->weekdays = (uint32) ((bits[4] | bits[4] >> 7) & 0x7f);
	cron->any_hour = is_any[1];
	cron->any_day = is_any[2];
	cron->any_weekday = is_any[4];
	pfree(copy);
	return NULL;
}

/* Is a date wanted? */
static bool
fits_date(const JoCron *cron, const struct pg_tm *date)
{
	int			weekday = j2day(date2j(date->tm_year, date->tm_mon,
									   date->tm_mday));
	int			last = day_tab[isleap(date->tm_year)][date->tm_mon - 1];
	bool		fits_day;
	bool		fits_weekday = (cron->weekdays >> weekday & 1) != 0;

	if ((cron->months >> date->tm_mon & 1) == 0)
		return false;
	fits_day = cron->is_last_day ? date->tm_mday == last :
		(cron->days >> date->tm_mday & 1) != 0;
	return cron->any_day || cron->any_weekday ?
		fits_day && fits_weekday : fits_day || fits_weekday;
}

static void
read_local(Timestamp local, struct pg_tm *date)
{
	fsec_t		fraction;

	if (timestamp2tm(local, NULL, date, &fraction, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
}

/* With any hour: the next minute whose local reading fits. */
static TimestampTz
next_elapsed(const JoCron *cron, TimestampTz after, pg_tz *zone)
{
	TimestampTz at = (jo_floor_divide(after, USECS_PER_MINUTE) + 1) *
	USECS_PER_MINUTE;
	TimestampTz end = at + SEARCH_DAYS * USECS_PER_DAY;

	while (at < end)
	{
		struct pg_tm date;

		read_local(jo_civil_local(at, zone), &date);
		if (!fits_date(cron, &date) || (cron->hours >> date.tm_hour & 1) == 0)
			at += (MINS_PER_HOUR - date.tm_min) * USECS_PER_MINUTE;
		else if ((cron->minutes >> date.tm_min & 1) == 0)
			at += USECS_PER_MINUTE;
		else
			return at;
	}
	return DT_NOEND;
}

/* The first time of a local day after an instant; DT_NOEND: none. */
static TimestampTz
first_of_day(const JoCron *cron, Timestamp day, TimestampTz after, pg_tz *zone)
{
	JoClockPolicy policy = {0};
	TimestampTz best = DT_NOEND;

	for (int hour = 0; hour < HOURS_PER_DAY; hour++)
	{
		if ((cron->hours >> hour & 1) == 0)
			continue;
		for (int minute = 0; minute < MINS_PER_HOUR; minute++)
		{
			TimestampTz at;

			if ((cron->minutes >> minute & 1) != 0 &&
				jo_civil_instant(day + hour * USECS_PER_HOUR +
								 minute * USECS_PER_MINUTE, zone, policy,
								 &at) &&
				at > after && at < best)
				best = at;
		}
	}
	return best;
}

/* With fixed hours: day by day.  A time that a gap moves may come after the
 * first ones of the next day, so two days are looked at. */
static TimestampTz
next_civil(const JoCron *cron, TimestampTz after, pg_tz *zone)
{
	Timestamp	day = jo_civil_day(jo_civil_local(after, zone)) - USECS_PER_DAY;
	TimestampTz best = DT_NOEND;

	for (int i = 0; i < SEARCH_DAYS; i++, day += USECS_PER_DAY)
	{
		struct pg_tm date;
		bool		was_found = best != DT_NOEND;

		read_local(day, &date);
		if (fits_date(cron, &date))
			best = Min(best, first_of_day(cron, day, after, zone));
		if (was_found)
			break;
	}
	return best;
}

TimestampTz
jo_cron_next(const JoCron *cron, TimestampTz after, pg_tz *zone)
{
	return cron->any_hour ? next_elapsed(cron, after, zone) :
		next_civil(cron, after, zone);
}
