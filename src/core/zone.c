/*
 * core/zone.c
 *	  Time zones by their IANA names.
 *
 * pg_tzset() also takes POSIX strings, in which a typing error such as UTC3
 * means three hours west of UTC, and keeps every one it was ever given.  They
 * always have a digit; so a name with one must be in the server's list before
 * pg_tzset() sees it.  The list of such names is read once in a backend.
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/datetime.h"
#include "utils/memutils.h"

#include "core/civil.h"

#define DIGITS "0123456789"

/* Names with a digit that the server lists, or NIL before they are read. */
static List *digit_names = NIL;

static void
load_digit_names(void)
{
	pg_tzenum  *names = pg_tzenumerate_start();
	List	   *found = NIL;
	pg_tz	   *zone;

	while ((zone = pg_tzenumerate_next(names)) != NULL)
	{
		const char *name = pg_get_timezone_name(zone);
		MemoryContext oldcontext;

		if (strpbrk(name, DIGITS) == NULL)
			continue;
		oldcontext = MemoryContextSwitchTo(TopMemoryContext);
		found = lappend(found, pstrdup(name));
		MemoryContextSwitchTo(oldcontext);
	}
	pg_tzenumerate_end(names);
	digit_names = found;
}

static bool
is_listed(const char *name)
{
	ListCell   *cell;

	if (digit_names == NIL)
		load_digit_names();
	foreach(cell, digit_names)
	{
		if (pg_strcasecmp(lfirst(cell), name) == 0)
			return true;
	}
	return false;
}

pg_tz *
jo_zone_find(const char *name)
{
	pg_tz	   *zone;

	if (name[0] == '\0' || strlen(name) > TZ_STRLEN_MAX)
		return NULL;
	if (strpbrk(name, DIGITS) != NULL && !is_listed(name))
		return NULL;
	zone = pg_tzset(name);
	return zone != NULL && pg_tz_acceptable(zone) ? zone : NULL;
}

pg_tz *
jo_zone_get(const char *name)
{
	pg_tz	   *zone = jo_zone_find(name ? name : "UTC");

	if (zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" is not known", name ? name : "UTC"),
				 errhint("Use a name of pg_timezone_names.")));
	return zone;
}
