// The loops of one level: types first, then elements and terms (which products apply), then the
// rest.
#include "vector_types.h"

#include "vector_elements.h"
#include "vector_terms.h"
#include "vector_products.h"
#include "vector_pictures.h"

#undef UNROLLED
#undef LOAD
#undef STORE
#undef NAMED
#undef TARGET
#undef LANES
#undef TALL
