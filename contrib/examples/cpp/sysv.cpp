// SPDX-License-Identifier: MIT
//
// Creates a System V segment, or opens the one that is there, and maps it.
//
//	c++ -o sysv sysv.cpp
//	./sysv PATH			print its identifier and its size
//	./sysv PATH store TEXT		and store TEXT
//	./sysv PATH check TEXT		and check that it is there
//	./sysv PATH remove		and remove the segment
//
// PATH is any file that all agree on. ../c/sysv.c is the same program on libshmfs: what
// one of the two stores the other one sees.
#include <cstring>
#include <iostream>
#include <string>

#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/xsi_key.hpp>
#include <boost/interprocess/xsi_shared_memory.hpp>

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

static bool use(const bip::xsi_shared_memory &segment, const std::string &verb,
		const char *text)
{
	if (verb == "remove")
		return bip::xsi_shared_memory::remove(segment.get_shmid());
	if (verb == "store")
		return store(bip::mapped_region(segment, bip::read_write), text);
	return check(bip::mapped_region(segment, bip::read_only), text);
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : ".";

	try {
		bip::xsi_shared_memory segment(bip::open_or_create, bip::xsi_key(path, 1),
					       1024);

		// The segment does not tell its size, a region of it does.
		std::cout << segment.get_shmid() << ' '
			  << bip::mapped_region(segment, bip::read_only).get_size()
			  << '\n';
		return argc > 2 && !use(segment, argv[2], argc > 3 ? argv[3] : "");
	} catch (const bip::interprocess_exception &e) {
		std::cerr << "cannot open " << path << ": " << e.what() << '\n';
		return 1;
	}
}
