/*
 * journey/check_digest.c
 *	  Digests with a look-back that can never meet one that ended before.
 *
 * Such a digest goes on with its first event, always.  That needs no look at
 * customers: nobody comes to the step twice, or not before the look-back of the
 * last time is over.
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"

#include "journey/reader.h"

/* Digests that are looked at; each walks the graph. */
#define MAX_DIGESTS 100

/* Can a run come back to the step? */
static bool
is_on_circle(JoReader *reader, int start)
{
	bool	   *seen = palloc0(sizeof(bool) * reader->nsteps);
	int		   *queue = palloc(sizeof(int) * (reader->nsteps + 1));
	int			n = 0;

	queue[n++] = start;
	for (int i = 0; i < n; i++)
		for (int e = reader->first_edge[queue[i]]; e < reader->first_edge[queue[i] + 1]; e++)
		{
			int			to = reader->edges[e].to;

			if (to == start)
				return true;
			if (to == JO_NO_STEP || seen[to])
				continue;
			seen[to] = true;
			queue[n++] = to;
		}
	return false;
}

/* Does the entry keep the next run of a key away until this time is over? */
static bool
entry_outlasts(const JoEntry *entry, const JoDuration *look_back)
{
	if (entry->reentry == JO_REENTRY_NEVER)
		return true;
	return entry->reentry == JO_REENTRY_AFTER_EXIT && entry->has_cooldown &&
		DatumGetBool(DirectFunctionCall2(interval_ge,
										 IntervalPGetDatum(&entry->cooldown),
										 IntervalPGetDatum(&look_back->interval)));
}

void
jo_check_digests(JoReader *reader)
{
	int			ndigests = 0;

	for (int i = 0; i < reader->nsteps && ndigests < MAX_DIGESTS; i++)
	{
		const JoStep *step = &reader->graph->steps[i];
		JoPath		steps = {NULL, "steps", 5, 0};
		JoPath		path = {&steps, NULL, 0, 0};
		JoPath		digest = {&path, "digest", 6, 0};
		JoPath		look_back = {&digest, "look_back", 9, 0};

		if (!reader->sources[i].has_verb || step->verb != JO_DIGEST ||
			!step->u.digest.has_look_back)
			continue;
		ndigests++;
		if (!entry_outlasts(&reader->graph->entry, &step->u.digest.look_back) ||
			is_on_circle(reader, i))
			continue;
		path.key = step->name;
		path.key_length = strlen(step->name);
		jo_finding_add(reader->findings, JO_FINDING_NEVER_COLLECTS, &look_back,
					   NULL,
					   "no digest of the key can have ended within this time");
	}
}
