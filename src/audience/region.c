/*
 * audience/region.c
 *	  Where a customer is, as rules of law name places.
 *
 * A region is a country of ISO 3166-1 (US) or a part of one by ISO 3166-2
 * (US-FL).  The standards' lists change and are not kept here: only the form is
 * checked, so that "Florida" is found out and not taken for a place without
 * rules.
 */
#include "postgres.h"

#include "audience/binding.h"

#define MAX_REGION_BYTES 6

char *
jo_region_canonical(const char *region)
{
	char		canonical[MAX_REGION_BYTES + 1];
	size_t		length = strlen(region);

	if (length != 2 && (length < 4 || length > MAX_REGION_BYTES))
		return NULL;
	for (size_t i = 0; i <= length; i++)
		canonical[i] = pg_ascii_toupper((unsigned char) region[i]);

	for (size_t i = 0; i < length; i++)
	{
		char		c = canonical[i];
		bool		is_letter = c >= 'A' && c <= 'Z';
		bool		is_digit = c >= '0' && c <= '9';

		if (i < 2 ? !is_letter : i == 2 ? c != '-' : !is_letter && !is_digit)
			return NULL;
	}
	return pstrdup(canonical);
}

void
jo_customer_set_region(JoCustomer *customer, char *region)
{
	customer->region = region == NULL ? NULL : jo_region_canonical(region);
	customer->unknown_region = customer->region == NULL ? region : NULL;
}
