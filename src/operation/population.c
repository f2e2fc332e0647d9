/*
 * operation/population.c
 *	  Whom a simulation is about: virtual customers, chosen ones, or those of
 *	  the log.
 *
 * A virtual customer is a number from 1 on and ten dice that follow from it and
 * from the seed; "customer_sql" makes a row of the two, "events_sql" the
 * events.  Both run with the caller's rights.  Customers who exist are read as
 * a batch reads them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "core/errors.h"
#include "core/identity.h"
#include "core/lane.h"
#include "enrollment/json.h"
#include "operation/population.h"

/* Dice of a virtual customer. */
#define DICE 10

JoExpression *
jo_population_expression(const char *sql, int variables)
{
	JoScope		scope = {
		.customer_type = jo_customer_type(),
		.variables = variables,
		.checks_rights = true
	};

	return jo_expression_compile(sql, JSONBOID, GetUserId(), &scope, NULL);
}

/* Raise what an expression of the caller's has raised, if it did. */
static void
raise_error(const JoError *error, const char *argument, int number)
{
	if (error == NULL)
		return;
	ereport(ERROR,
			(errcode(MAKE_SQLSTATE(error->sqlstate[0], error->sqlstate[1],
								   error->sqlstate[2], error->sqlstate[3],
								   error->sqlstate[4])),
			 errmsg("\"%s\" raised for customer %d: %s", argument, number,
					error->message),
			 error->detail != NULL ? errdetail("%s", error->detail) : 0,
			 error->hint != NULL ? errhint("%s", error->hint) : 0));
}

/* {"n": …, "dice": […]} */
static Jsonb *
make_lot(int64 seed, int number)
{
	JsonbParseState *state = NULL;
	char	   *unit = psprintf("%d", number);
	char	   *salt = psprintf(INT64_FORMAT, seed);
	JsonbValue	value;
	Jsonb	   *dice;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < DICE; i++)
	{
		uint64		hash = jo_unit_hash(psprintf("simulate/%d", i), salt, unit);

		value.type = jbvNumeric;
		value.val.numeric = int64_div_fast_to_numeric(hash % 1000000, 6);
		pushJsonbValue(&state, WJB_ELEM, &value);
	}
	dice = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
	return jo_jsonb_put(jo_json_put_int(NULL, "n", number), "dice", dice);
}

/*
 * Values of one of the caller's expressions for n subjects, the first of whom
 * has number "first" (from 1).
 */
static Jsonb **
evaluate(const JoPopulation *population, JoExpression *expression,
		 const char *argument, List *subjects, int first)
{
	int			n = list_length(subjects);
	JoVariables *variables = palloc0(n * sizeof(JoVariables));
	const JoVariables **rows = palloc(n * sizeof(JoVariables *));
	Datum	   *values = palloc(n * sizeof(Datum));
	bool	   *isnull = palloc(n * sizeof(bool));
	JoError   **errors = palloc0(n * sizeof(JoError *));
	Jsonb	  **result = palloc(n * sizeof(Jsonb *));

	for (int i = 0; i < n; i++)
	{
		const JoSubject *subject = list_nth(subjects, i);

		variables[i].customer = subject->profile.row;
		variables[i].customer_isnull = subject->profile.row == (Datum) 0;
		variables[i].event = JsonbPGetDatum(make_lot(population->seed,
													 first + i));
		rows[i] = &variables[i];
	}
	jo_expression_evaluate(expression, n, rows, values, isnull, errors);
	for (int i = 0; i < n; i++)
	{
		raise_error(errors[i], argument, first + i);
		result[i] = isnull[i] ? NULL : DatumGetJsonbP(values[i]);
	}
	return result;
}

/* Give the subjects the events that the arguments say. */
static void
add_given_events(JoPopulation *population, List *subjects, int first)
{
	Jsonb	  **values = NULL;

	if (population->events != NULL)
		values = evaluate(population, population->events, "events_sql",
						  subjects, first);
	for (int i = 0; i < list_length(subjects); i++)
	{
		List	   *given = population->given;

		if (values != NULL && values[i] != NULL)
			given = jo_given_merge(list_copy(given),
								   jo_given_read(population, values[i],
												 "events_sql"));
		jo_given_add(list_nth(subjects, i), given);
	}
}

/* ---- virtual customers ---- */

static uint32
hash_id(const void *key, Size size)
{
	const char *id = *(char *const *) key;

	return (uint32) jo_lane_hash(id, strlen(id));
}

static int
match_id(const void *a, const void *b, Size size)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Raise when an id comes a second time: two people would be one. */
static void
ensure_new(JoPopulation *population, const char *customer_id)
{
	bool		found;
	char	  **entry;

	if (population->seen == NULL)
	{
		HASHCTL		control = {0};

		control.keysize = control.entrysize = sizeof(char *);
		control.hash = hash_id;
		control.match = match_id;
		control.hcxt = GetMemoryChunkContext(population);
		population->seen = hash_create("journey_orch simulated customers",
									   1000, &control,
									   HASH_ELEM | HASH_FUNCTION |
									   HASH_COMPARE | HASH_CONTEXT);
	}
	entry = hash_search(population->seen, &customer_id, HASH_ENTER, &found);
	if (found)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("customer \"%s\" comes twice", jo_clipped(customer_id)),
				 errhint("Each customer of a simulation needs an id of his own.")));
	*entry = MemoryContextStrdup(GetMemoryChunkContext(population),
								 customer_id);
}

/* The rows that customer_sql makes of the lots; without it, empty ones. */
static Jsonb **
make_rows(JoPopulation *population, List *subjects, int first)
{
	int			n = list_length(subjects);
	Jsonb	  **rows;

	if (population->customer != NULL)
		rows = evaluate(population, population->customer, "customer_sql",
						subjects, first);
	else
		rows = palloc0(n * sizeof(Jsonb *));
	for (int i = 0; i < n; i++)
	{
		if (rows[i] == NULL)
			rows[i] = jo_jsonb_empty();
		if (!JB_ROOT_IS_OBJECT(rows[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"customer_sql\" gave no JSON object for customer %d", first + i),
					 errhint("Its members are the columns of the bound relation, such as jsonb_build_object('id', event->'n').")));
	}
	return rows;
}

static List *
next_virtual(JoPopulation *population, int n)
{
	int			first = population->next + 1;
	JoCustomer *customers;
	List	   *subjects = NIL;

	n = Min(n, population->nvirtual - population->next);
	if (n <= 0)
		return NIL;
	population->next += n;
	for (int i = 0; i < n; i++)
		subjects = lappend(subjects, palloc0(sizeof(JoSubject)));
	customers = palloc0(n * sizeof(JoCustomer));
	for (int i = 0; i < n; i++)
		customers[i].customer_id = psprintf("virtual-%d", first + i);
	jo_customer_invent(customers, make_rows(population, subjects, first), n);
	for (int i = 0; i < n; i++)
	{
		ensure_new(population, customers[i].customer_id);
		((JoSubject *) list_nth(subjects, i))->profile = customers[i];
	}
	add_given_events(population, subjects, first);
	return subjects;
}

/* ---- customers who exist ---- */

/* Read their rows, as a batch does; a relation that cannot be read raises. */
static void
load_profiles(List *subjects)
{
	int			n = list_length(subjects);
	JoCustomer *customers = palloc0(n * sizeof(JoCustomer));
	JoError    *error = NULL;

	for (int i = 0; i < n; i++)
		customers[i].customer_id =
			((JoSubject *) list_nth(subjects, i))->profile.customer_id;
	jo_customer_load(customers, n, &error);
	if (error != NULL)
		ereport(ERROR,
				(errcode(MAKE_SQLSTATE(error->sqlstate[0], error->sqlstate[1],
									   error->sqlstate[2], error->sqlstate[3],
									   error->sqlstate[4])),
				 errmsg("could not read the customers: %s", error->message)));
	for (int i = 0; i < n; i++)
		((JoSubject *) list_nth(subjects, i))->profile = customers[i];
}

static List *
next_chosen(JoPopulation *population, int n)
{
	int			first = population->next + 1;
	List	   *subjects = NIL;

	n = Min(n, population->nchosen - population->next);
	for (int i = 0; i < n; i++)
	{
		JoSubject  *subject = palloc0(sizeof(JoSubject));

		subject->profile.customer_id = population->chosen[population->next++];
		ensure_new(population, subject->profile.customer_id);
		subjects = lappend(subjects, subject);
	}
	if (subjects == NIL)
		return NIL;
	load_profiles(subjects);
	add_given_events(population, subjects, first);
	return subjects;
}

static List *
next_of_history(JoPopulation *population, int n)
{
	List	   *subjects;
	MemoryContext caller;

	if (population->history == NULL)
	{
		caller = MemoryContextSwitchTo(GetMemoryChunkContext(population));
		population->history = jo_history_begin(population);
		MemoryContextSwitchTo(caller);
	}
	subjects = jo_history_next(population->history, n);
	if (subjects != NIL)
		load_profiles(subjects);
	return subjects;
}

List *
jo_population_next(JoPopulation *population, int n)
{
	if (population->is_history)
		return next_of_history(population, n);
	return population->nvirtual > 0 ? next_virtual(population, n) :
		next_chosen(population, n);
}
