/*
 * journey/diff.c
 *	  What is different between two versions of a journey.
 *
 * Steps are compared by name: the same name means the same step, as it does to
 * the engine.  Objects are compared key by key; of lists the longest common
 * part stays, so that a branch put in front does not change all others.  A row
 * is as small as it can be: a step that is new is one row, a word that another
 * replaces is one row.
 *
 * Rows come in the order of the newer definition: what stands above the steps,
 * entry, goal, exit rules, start, then the steps breadth-first, each verb first.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "journey/author.h"
#include "journey/schema.h"

PG_FUNCTION_INFO_V1(journey_orch_diff);

/* Longer lists are compared element by element. */
#define MAX_ALIGNED 4000000

/* A member of either object, or of both. */
typedef struct Member
{
	JsonbValue	key;
	bool		is_before;
	bool		is_after;
	JsonbValue	before;
	JsonbValue	after;
	int			order;			/* then "suborder" */
	int			suborder;
	char	   *renamed_from;	/* a step's name in the older version */
} Member;

typedef struct Members
{
	int			n;
	Member	   *list;
} Members;

typedef struct Diff
{
	ReturnSetInfo *result;
	const JoGraph *before;
	const JoGraph *after;
	const char *step;			/* that is compared, or NULL */
} Diff;

typedef struct StepPlace
{
	const char *name;
	int			position;
} StepPlace;

static void diff_value(Diff *diff, const JoPath *path, JsonbValue *before,
					   JsonbValue *after);

static void
add_row(Diff *diff, const char *kind, const JoPath *path, JsonbValue *before,
		JsonbValue *after)
{
	Datum		values[5];
	bool		nulls[5] = {false};

	CHECK_FOR_INTERRUPTS();
	values[0] = CStringGetTextDatum(kind);
	nulls[1] = diff->step == NULL;
	values[1] = nulls[1] ? (Datum) 0 : CStringGetTextDatum(diff->step);
	values[2] = CStringGetTextDatum(jo_path_pointer(path));
	nulls[3] = before == NULL;
	values[3] = nulls[3] ? (Datum) 0 : JsonbPGetDatum(JsonbValueToJsonb(before));
	nulls[4] = after == NULL;
	values[4] = nulls[4] ? (Datum) 0 : JsonbPGetDatum(JsonbValueToJsonb(after));
	tuplestore_putvalues(diff->result->setResult, diff->result->setDesc, values,
						 nulls);
}

static bool
is_object(const JsonbValue *value)
{
	return value->type == jbvBinary &&
		JsonContainerIsObject(value->val.binary.data);
}

static bool
is_array(const JsonbValue *value)
{
	return value->type == jbvBinary &&
		JsonContainerIsArray(value->val.binary.data);
}

static bool
is_equal(JsonbValue *a, JsonbValue *b)
{
	Jsonb	   *left = JsonbValueToJsonb(a);
	Jsonb	   *right = JsonbValueToJsonb(b);
	bool		result = compareJsonbContainers(&left->root, &right->root) == 0;

	pfree(left);
	pfree(right);
	return result;
}

/* jsonb's own order: shorter keys first, then by bytes. */
static int
compare_jsonb_keys(const JsonbValue *a, const JsonbValue *b)
{
	if (a->val.string.len != b->val.string.len)
		return a->val.string.len < b->val.string.len ? -1 : 1;
	return memcmp(a->val.string.val, b->val.string.val, a->val.string.len);
}

/* The next member of an object; false at its end. */
static bool
next_member(JsonbIterator **iterator, JsonbValue *key, JsonbValue *value)
{
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(iterator, value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			*key = *value;
		else if (token == WJB_VALUE)
			return true;
	}
	return false;
}

/* The members of two objects, merged in jsonb's order. */
static Members
merge_members(const JsonbValue *before, const JsonbValue *after)
{
	JsonbIterator *left = JsonbIteratorInit(before->val.binary.data);
	JsonbIterator *right = JsonbIteratorInit(after->val.binary.data);
	JsonbValue	left_key = {0};
	JsonbValue	left_value = {0};
	JsonbValue	right_key = {0};
	JsonbValue	right_value = {0};
	bool		has_left = next_member(&left, &left_key, &left_value);
	bool		has_right = next_member(&right, &right_key, &right_value);
	Members		members = {0};

	members.list = palloc0_array(Member, JsonContainerSize(before->val.binary.data) +
								 JsonContainerSize(after->val.binary.data) + 1);
	while (has_left || has_right)
	{
		Member	   *member = &members.list[members.n++];
		int			order = !has_left ? 1 : !has_right ? -1 :
		compare_jsonb_keys(&left_key, &right_key);

		if (order <= 0)
		{
			member->key = left_key;
			member->before = left_value;
			member->is_before = true;
			has_left = next_member(&left, &left_key, &left_value);
		}
		if (order >= 0)
		{
			member->key = right_key;
			member->after = right_value;
			member->is_after = true;
			has_right = next_member(&right, &right_key, &right_value);
		}
	}
	return members;
}

/* Stable, because "suborder" is filled in with the place where nothing else is. */
static int
compare_members(const void *a, const void *b)
{
	const Member *left = a;
	const Member *right = b;

	if (left->order != right->order)
		return left->order < right->order ? -1 : 1;
	return left->suborder - right->suborder;
}

static void
sort_members(Members *members)
{
	qsort(members->list, members->n, sizeof(Member), compare_members);
}

/* Order by a list of keys; what is not in it comes last, or where "rest" is. */
static void
order_by_keys(Members *members, const char *const *keys, int n, int rest)
{
	for (int i = 0; i < members->n; i++)
	{
		Member	   *member = &members->list[i];
		char	   *key = jo_value_string(&member->key);

		member->order = rest;
		member->suborder = i;
		for (int k = 0; k < n; k++)
		{
			if (strcmp(key, keys[k]) == 0)
				member->order = k;
		}
		pfree(key);
	}
	sort_members(members);
}

static int
compare_places(const void *a, const void *b)
{
	return strcmp(((const StepPlace *) a)->name, ((const StepPlace *) b)->name);
}

/* The steps of a graph by name. */
static StepPlace *
places_of(const JoGraph *graph)
{
	StepPlace  *places = palloc_array(StepPlace, graph->nsteps + 1);

	for (int i = 0; i < graph->nsteps; i++)
	{
		places[i].name = graph->steps[i].name;
		places[i].position = i;
	}
	qsort(places, graph->nsteps, sizeof(StepPlace), compare_places);
	return places;
}

static int
find_place(const JoGraph *graph, const StepPlace *places, const char *name)
{
	StepPlace	wanted = {name, 0};
	StepPlace  *found = bsearch(&wanted, places, graph->nsteps, sizeof(StepPlace),
								compare_places);

	return found ? found->position : -1;
}

/* Steps in their order after; one that is gone follows what it followed before. */
static void
order_steps(const Diff *diff, Members *members)
{
	StepPlace  *before = places_of(diff->before);
	StepPlace  *after = places_of(diff->after);
	int		   *follows = palloc_array(int, diff->before->nsteps + 1);
	int			last = -1;

	for (int i = 0; i < diff->before->nsteps; i++)
	{
		int			place = find_place(diff->after, after, diff->before->steps[i].name);

		if (place >= 0)
			last = place;
		follows[i] = last;
	}
	for (int i = 0; i < members->n; i++)
	{
		Member	   *member = &members->list[i];
		char	   *name = jo_value_string(&member->key);

		if (member->is_after)
			member->order = find_place(diff->after, after, name);
		else
		{
			int			place = find_place(diff->before, before, name);

			member->order = follows[place];
			member->suborder = 1 + place;
		}
		pfree(name);
	}
	sort_members(members);
	pfree(before);
	pfree(after);
	pfree(follows);
}

/* By content, which is an object in a definition that was stored. */
static int
compare_contents(const void *a, const void *b)
{
	const Member *left = *(Member *const *) a;
	const Member *right = *(Member *const *) b;
	const JsonbValue *x = left->is_before ? &left->before : &left->after;
	const JsonbValue *y = right->is_before ? &right->before : &right->after;

	return compareJsonbContainers(x->val.binary.data, y->val.binary.data);
}

/*
 * A step that went and one that came with the same content: a new name, if
 * there is only one of each.  The engine knows no such thing, and people at the
 * old name are not at the new one; but it is what the author did.
 */
static void
find_renamed(Members *members)
{
	Member	  **list = palloc_array(Member *, members->n + 1);
	int			n = 0;

	for (int i = 0; i < members->n; i++)
	{
		Member	   *member = &members->list[i];

		if (member->is_before != member->is_after &&
			is_object(member->is_before ? &member->before : &member->after))
			list[n++] = member;
	}
	qsort(list, n, sizeof(Member *), compare_contents);
	for (int i = 0; i < n;)
	{
		int			next = i + 1;
		Member	   *gone;
		Member	   *came;

		while (next < n && compare_contents(&list[i], &list[next]) == 0)
			next++;
		if (next == i + 2 && list[i]->is_before != list[i + 1]->is_before)
		{
			gone = list[i]->is_before ? list[i] : list[i + 1];
			came = list[i]->is_before ? list[i + 1] : list[i];
			came->renamed_from = jo_value_string(&gone->key);
			gone->is_before = false;
		}
		i = next;
	}
	pfree(list);
}

static void
diff_member(Diff *diff, const JoPath *parent, Member *member)
{
	JoPath		path = {parent, member->key.val.string.val,
	member->key.val.string.len, 0};

	if (member->renamed_from)
	{
		JsonbValue	name;

		name.type = jbvString;
		name.val.string.val = member->renamed_from;
		name.val.string.len = strlen(member->renamed_from);
		add_row(diff, "renamed", &path, &name, &member->key);
	}
	else if (member->is_before && member->is_after)
		diff_value(diff, &path, &member->before, &member->after);
	else if (member->is_after)
		add_row(diff, "added", &path, NULL, &member->after);
	else if (member->is_before)
		add_row(diff, "removed", &path, &member->before, NULL);
}

static void
diff_steps(Diff *diff, const JoPath *path, JsonbValue *before,
		   JsonbValue *after)
{
	Members		members = merge_members(before, after);

	order_steps(diff, &members);
	find_renamed(&members);
	for (int i = 0; i < members.n; i++)
	{
		diff->step = jo_value_string(&members.list[i].key);
		diff_member(diff, path, &members.list[i]);
	}
	diff->step = NULL;
	pfree(members.list);
}

static void
diff_object(Diff *diff, const JoPath *path, JsonbValue *before,
			JsonbValue *after)
{
	static const char *const top[] = {
		"journey", "description", "priority", "timezone", "late_after",
		"absent_customer", "deleted_customer", "on_render_error", "entry",
		"goal", "exit", "start", "steps"
	};
	Members		members;

	/* Only the map of the steps has a step's meaning for its keys. */
	if (path && path->parent == NULL && path->key_length == 5 &&
		memcmp(path->key, "steps", 5) == 0)
	{
		diff_steps(diff, path, before, after);
		return;
	}
	members = merge_members(before, after);
	if (path == NULL)
		order_by_keys(&members, top, lengthof(top), lengthof(top));
	else if (diff->step && path->parent && path->parent->parent == NULL)
	{
		const char *verbs[JO_EXIT + 1];

		for (int verb = 0; verb <= JO_EXIT; verb++)
			verbs[verb] = jo_verb_name(verb);
		order_by_keys(&members, verbs, lengthof(verbs), lengthof(verbs));
	}
	for (int i = 0; i < members.n; i++)
		diff_member(diff, path, &members.list[i]);
	pfree(members.list);
}

/* The part between two elements that are in both lists: pairs, then the rest. */
static void
diff_gap(Diff *diff, const JoPath *path, JsonbValue **before, int from,
		 int to, JsonbValue **after, int after_from, int after_to)
{
	int			pairs = Min(to - from, after_to - after_from);

	for (int i = 0; i < pairs; i++)
	{
		JoPath		here = {path, NULL, 0, after_from + i};

		diff_value(diff, &here, before[from + i], after[after_from + i]);
	}
	for (int i = from + pairs; i < to; i++)
	{
		JoPath		here = {path, NULL, 0, i};

		add_row(diff, "removed", &here, before[i], NULL);
	}
	for (int i = after_from + pairs; i < after_to; i++)
	{
		JoPath		here = {path, NULL, 0, i};

		add_row(diff, "added", &here, NULL, after[i]);
	}
}

static uint32
hash_value(JsonbValue *value)
{
	Jsonb	   *jsonb = JsonbValueToJsonb(value);
	uint32		result = DatumGetUInt32(DirectFunctionCall1(jsonb_hash,
															JsonbPGetDatum(jsonb)));

	pfree(jsonb);
	return result;
}

/* What makes an element the same one: of a branch or rule its event and
 * condition, whatever follows from them; of anything else all of it. */
static uint32
hash_identity(JsonbValue *value)
{
	JsonbValue	part;
	JoPath		path;
	uint32		result = 0;
	bool		has_part = false;

	if (jo_read_member(value, "on", NULL, &part, &path))
	{
		result = hash_value(&part);
		has_part = true;
	}
	if (jo_read_member(value, "when", NULL, &part, &path))
	{
		result = hash_combine(result, hash_value(&part));
		has_part = true;
	}
	return has_part ? result : hash_value(value);
}

static uint32 *
hash_identities(JsonbValue **elements, int n)
{
	uint32	   *result = palloc_array(uint32, n + 1);

	for (int i = 0; i < n; i++)
		result[i] = hash_identity(elements[i]);
	return result;
}

static JsonbValue **
elements_of(const JsonbValue *array, int *n)
{
	JsonbValue **result;

	*n = JsonContainerSize(array->val.binary.data);
	result = palloc_array(JsonbValue *, *n + 1);
	for (int i = 0; i < *n; i++)
		result[i] = getIthJsonbValueFromContainer(array->val.binary.data, i);
	return result;
}

/*
 * Length of the longest common part of each two tails: common[i * (m + 1) + j]
 * of before[i ..] and after[j ..].  Elements count as the same by the hash of
 * their identity; the rows are made from the elements themselves.
 */
static int *
common_lengths(const uint32 *left, int n, const uint32 *right, int m)
{
	int		   *common = palloc0_array(int, (n + 1) * (m + 1));

	for (int i = n - 1; i >= 0; i--)
	{
		CHECK_FOR_INTERRUPTS();
		for (int j = m - 1; j >= 0; j--)
		{
			int		   *here = &common[i * (m + 1) + j];

			if (left[i] == right[j])
				*here = here[m + 2] + 1;
			else
				*here = Max(here[1], here[m + 1]);
		}
	}
	return common;
}

static void
diff_array(Diff *diff, const JoPath *path, JsonbValue *before_array,
		   JsonbValue *after_array)
{
	int			n;
	int			m;
	JsonbValue **before = elements_of(before_array, &n);
	JsonbValue **after = elements_of(after_array, &m);
	uint32	   *left;
	uint32	   *right;
	int		   *common;
	int			i = 0;
	int			j = 0;
	int			gap_i = 0;
	int			gap_j = 0;

	if ((int64) (n + 1) * (m + 1) > MAX_ALIGNED)
	{
		diff_gap(diff, path, before, 0, n, after, 0, m);
		return;
	}
	left = hash_identities(before, n);
	right = hash_identities(after, m);
	common = common_lengths(left, n, right, m);
	while (i < n && j < m)
	{
		const int  *here = &common[i * (m + 1) + j];

		if (left[i] == right[j])
		{
			JoPath		same = {path, NULL, 0, j};

			diff_gap(diff, path, before, gap_i, i, after, gap_j, j);
			diff_value(diff, &same, before[i], after[j]);
			gap_i = ++i;
			gap_j = ++j;
		}
		else if (here[m + 1] >= here[1])
			i++;
		else
			j++;
	}
	diff_gap(diff, path, before, gap_i, n, after, gap_j, m);
	pfree(common);
}

static void
diff_value(Diff *diff, const JoPath *path, JsonbValue *before,
		   JsonbValue *after)
{
	if (is_equal(before, after))
		return;
	check_stack_depth();
	if (is_object(before) && is_object(after))
		diff_object(diff, path, before, after);
	else if (is_array(before) && is_array(after))
		diff_array(diff, path, before, after);
	else
		add_row(diff, "changed", path, before, after);
}

/*
 * diff(journey, a, b): a NULL is the version published last, b NULL the newest,
 * so that without numbers it says what publish() would change.
 */
Datum
journey_orch_diff(PG_FUNCTION_ARGS)
{
	Diff		diff = {(ReturnSetInfo *) fcinfo->resultinfo};
	JoStoredJourney journey;
	int32		versions[2];
	Jsonb	   *definitions[2];
	JsonbValue	roots[2];

	definitions[0] = jo_definition_argument(fcinfo, &journey, &versions[0]);
	versions[1] = jo_version_argument(fcinfo, 2);
	definitions[1] = jo_get_definition(text_to_cstring(PG_GETARG_TEXT_PP(0)),
									   &journey, &versions[1]);
	InitMaterializedSRF(fcinfo, 0);
	diff.before = jo_definition_read(definitions[0], GetUserId(), false)->graph;
	diff.after = jo_definition_read(definitions[1], GetUserId(), false)->graph;
	for (int i = 0; i < 2; i++)
		jo_json_root(definitions[i], &roots[i]);
	diff_value(&diff, NULL, &roots[0], &roots[1]);
	return (Datum) 0;
}
