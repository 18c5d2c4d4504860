// SPDX-License-Identifier: MIT
//
// Maps a shared-memory object twice, to be read and written and only to be read.
//
//	c++ -o region region.cpp
//	./region NAME			print where the two regions are, and their sizes
//	./region NAME store TEXT	and store TEXT through the first one
//	./region NAME check TEXT	and check through the second one that it is there
//
// ../c/region.c is the same program on libshmfs: what one of the two stores the other one
// sees. Make the object with one of the object programs before.
#include <cstring>
#include <iostream>
#include <string>

#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/shared_memory_object.hpp>

namespace bip = boost::interprocess;

static bool store(const bip::mapped_region &region, const std::string &text)
{
	if (text.size() >= region.get_size())
		return false;
	std::memcpy(region.get_address(), text.c_str(), text.size() + 1);
	return true;
}

static bool check(const bip::mapped_region &region, const std::string &text)
{
	const char *seen = static_cast<const char *>(region.get_address());

	// Others can store at any time what is no string: never read past the end.
	if (std::strncmp(seen, text.c_str(), region.get_size()) == 0)
		return true;
	std::cerr << "expected '" << text << "', found '"
		  << std::string(seen, strnlen(seen, region.get_size())) << "'\n";
	return false;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "Boost";

	try {
		bip::shared_memory_object object(bip::open_only, name, bip::read_write);
		// The whole object, wherever the kernel likes.
		bip::mapped_region rw(object, bip::read_write);
		bip::mapped_region ro(object, bip::read_only);

		std::cout << rw.get_address() << ' ' << rw.get_size() << '\n';
		std::cout << ro.get_address() << ' ' << ro.get_size() << '\n';
		if (argc < 4)
			return 0;
		return std::string(argv[2]) == "store" ? !store(rw, argv[3])
						       : !check(ro, argv[3]);
	} catch (const bip::interprocess_exception &e) {
		std::cerr << name << ": " << e.what() << '\n';
		return 1;
	}
}
