//! Names of people from many places, as they are written there. Which of them meet is chance.

/// Names that belong together.
pub(super) struct Culture {
    /// Tag of the language; some languages put the family name first.
    pub(super) language: Option<&'static str>,
    pub(super) given: &'static [&'static str],
    /// Empty where people have one name only.
    pub(super) family: &'static [&'static str],
}

const fn culture(
    language: &'static str,
    given: &'static [&'static str],
    family: &'static [&'static str],
) -> Culture {
    Culture { language: Some(language), given, family }
}

/// Five given and four family names make twenty different people of each.
pub(super) const CULTURES: [Culture; 20] = [
    culture(
        "en",
        &["Grace", "Ada", "Alan", "Dorothy", "Edsger"],
        &["Hopper", "O'Neill", "Smith-Jones", "Wright"],
    ),
    culture("hu", &["Ágnes", "Béla", "Zsófia", "Győző", "Örs"], &["Kovács", "Szőke", "Nagy", "Tóth"]),
    culture("ja", &["花子", "太郎", "さくら", "健", "美咲"], &["山田", "佐藤", "髙橋", "渡邊"]),
    culture("ko", &["지우", "민준", "서연", "하준", "수빈"], &["김", "이", "박", "최"]),
    culture("zh-Hans", &["娜", "伟", "秀英", "小龙", "敏"], &["李", "王", "欧阳", "张"]),
    culture("ar", &["ليلى", "محمد", "فاطمة", "عمر", "نور"], &["الخوارزمي", "حداد", "بن علي", "النجار"]),
    culture("he", &["נועה", "דוד", "יעל", "אורי", "תמר"], &["כהן", "לוי", "בן־דוד", "מזרחי"]),
    culture(
        "ru",
        &["Ольга", "Фёдор", "Наталья", "Игорь", "Зоя"],
        &["Ковалёва", "Щукин", "Жданова", "Объедков"],
    ),
    culture(
        "el",
        &["Ελένη", "Γιώργος", "Υπατία", "Νίκος", "Ζωή"],
        &["Παπαδοπούλου", "Ξενάκης", "Ιωάννου", "Ψαρρός"],
    ),
    culture("hi", &["प्रिया", "अर्जुन", "दीपिका", "विक्रम", "श्रुति"], &["शर्मा", "क्षत्रिय", "गुप्ता", "द्विवेदी"]),
    culture("th", &["สมชาย", "มาลี", "ณัฐ", "พิมพ์", "ศิริ"], &["ใจดี", "สุขสันต์", "วงศ์ไทย", "แก้วมณี"]),
    culture(
        "ka",
        &["ნინო", "გიორგი", "თამარ", "ლუკა", "ქეთევან"],
        &["ჭავჭავაძე", "მაისურაძე", "კვარაცხელია", "ღლონტი"],
    ),
    culture(
        "is",
        &["Björk", "Þór", "Sigríður", "Ægir", "Guðrún"],
        &["Guðmundsdóttir", "Jónsson", "Þorsteinsdóttir", "Árnason"],
    ),
    culture("vi", &["Hương", "Đức", "Thuỷ", "Ngọc Ánh", "Dũng"], &["Nguyễn", "Trần", "Phạm", "Đặng"]),
    culture(
        "es",
        &["José", "María del Mar", "Íñigo", "Begoña", "Núria"],
        &["Álvarez Muñoz", "García y Vega", "Núñez", "de la Peña"],
    ),
    culture("am", &["አበበ", "ፀሐይ", "ሰላም", "ዳዊት", "ሄለን"], &["በቀለ", "ገብረ ማርያም", "ተስፋዬ", "ወልደ"]),
    culture(
        "pl",
        &["Łucja", "Świętosława", "Zbigniew", "Grażyna", "Jędrzej"],
        &["Żółć", "Wiśniewska", "Dąbrowski", "Brzęczyszczykiewicz"],
    ),
    culture(
        "de",
        &["Jörg", "Käthe", "Götz", "Änne", "Rüdiger"],
        &["von der Heide", "Groß", "Müller-Lüdenscheidt", "Strauß"],
    ),
    // One name is all they have.
    culture(
        "id",
        &[
            "Suharto",
            "Ratnasari",
            "Wulandari",
            "Budiono",
            "Sukarno",
            "Megawati",
            "Susanti",
            "Hartono",
            "Kartini",
            "Wibowo",
        ],
        &[],
    ),
    Culture {
        language: None,
        given: &["Zoë", "Renée", "Chloë", "Noël", "Anaïs"],
        family: &["D'Arcy", "St. John", "L'Éclair & Fils", "Mac Giolla Phádraig"],
    },
];

impl Culture {
    /// Given and family name of the `index`th person of this culture.
    pub(super) fn name(&self, index: usize) -> (&'static str, Option<&'static str>) {
        let pick = |names: &'static [&'static str]| names.iter().cycle().nth(index).copied();
        (pick(self.given).unwrap_or_default(), pick(self.family))
    }
}
