"""The words themselves: for children and the young, for nudity and sex, and what means neither.

Of English the usual words and ways round them, of other languages the most usual ones. Several words make a phrase; an
accent that is written here has to be there (niña is a girl and Nina a name), and none is asked for where none is.
"""

from __future__ import annotations

import re


def _list(text: str) -> frozenset[str]:
    return frozenset(" ".join(part.split()) for part in text.replace("\n", ",").split(",") if part.strip())


NEVER = _list(
    """
    lolicon, lolicons, shotacon, shotacons, toddlercon, jailbait, child porn, child porno, child pornography
    childporn, kiddie porn, kiddy porn, kid porn, kinderporno, kinderpornografie, pedo, pedos, pedophile
    pedophiles, pedophilia, pedophilic, paedo, paedophile, paedophilia, pthc, csam, kindersex, porno infantil
    pornographie infantile, pedopornografia, детское порно, cub porn, pedobear, pedomom
    """
)
"""Refused whatever stands beside them."""

MINORS = _list(
    """
    child, children, childs, childlike, child like, childish, kid, kids, kiddo, kiddie, kiddy, baby, babies
    infant, infants, newborn, newborns, toddler, toddlers, boy, boys, girl, girls, girly, girlie, girlies
    lil girl, lil boy, schoolgirl, schoolgirls, schoolboy, schoolboys, schoolkid, schoolkids, schoolchild
    schoolchildren, little one, little ones, minor, minors, underage, underaged, under age, under aged
    under the age of consent, not of age, not yet of age, below the age of consent, under legal age, preteen
    preteens, pre teen, pre teens, tween, tweens, teen, teens, teenage, teenaged, teenager, teenagers, teeny
    adolescent, adolescents, juvenile, juveniles, prepubescent, prepubertal, pubescent, pre pubescent, puberty
    youngster, youngsters, very young, too young, so young, extremely young, youngling, kindergarten
    kindergartener, kindergartner, kindergarteners, preschool, preschooler, preschoolers, nursery school
    elementary school, grade school, grade schooler, primary school, middle school, middle schooler
    middle schoolers, junior high, high school, high schooler, high schoolers, highschool, highschooler
    highschoolers, secondary school, first grader, second grader, third grader, fourth grader, fifth grader
    sixth grader, seventh grader, eighth grader, ninth grader, tenth grader, first grade, second grade
    third grade, fourth grade, fifth grade, sixth grade, seventh grade, eighth grade, ninth grade, tenth grade
    th grader, th graders, th grade, loli, lolis, lolita, lolitas, shota, shotas, daughter, daughters
    stepdaughter, little sister, little brother, baby sister, baby brother, age regression, aged down, de aged
    deaged, girlchild, boychild, manchild, womanchild, girl child, boy child, sweet sixteen, school age
    school aged, cheerleader from school, boyhood, girlhood, childhood

    ein kind, das kind, nacktes kind, naakt kind, het kind, kinderen, ein junge, der junge, nackter junge
    naga dziewczyna, kinder, kindes, kindlich, kleines kind, kleinkind, kleinkinder, mädchen, maedchen
    junges mädchen, bub, buben, kleiner junge, kleinen jungen, jungs, säugling, baby mädchen, teenie
    minderjährig, minderjährige, minderjaehrig, minderjährigen, schulmädchen, schulkind, schüler, schülerin
    schuelerin, jugendliche, jugendlicher, grundschülerin

    enfant, enfants, fillette, fillettes, petite fille, jeune fille, petit garçon, garçonnet, garçon, gamine
    gamin, bébé, mineure, mineures, mineur, écolière, ecoliere, collégienne, lycéenne, adolescente, ado

    niña, niñas, niño, niños, niñita, nena, bebé, menor de edad, menores de edad, colegiala, colegialas
    adolescentes, chiquilla, muchachita, quinceañera, infantil

    menina, meninas, menino, meninos, criança, crianças, garotinha, garotinho, menor de idade, novinha, bebê
    ninfeta

    bambina, bambine, bambino, bambini, ragazzina, ragazzine, ragazzino, ragazzini, minorenne, minorenni
    neonata, scolara

    meisje, meisjes, jongetje, jongetjes, kindje, kleuter, kleuters, peuter, minderjarig, minderjarige, tiener
    tieners

    dziecko, dzieci, dziewczynka, dziewczynki, dziewczynkę, chłopiec, chłopca, chłopczyk, nieletnia, nieletni
    niemowlę, nastolatka

    flicka, flickor, pojke, pojkar, barnet, minderårig, pige, piger, dreng, jente, jenter, gutt, lapsi, tyttö
    poika

    dítě, děti, holčička, holka, chlapec, gyerek, kislány, kisfiú, copil, copilă, fetiță, băiețel

    çocuk, çocuklar, küçük kız, kız çocuğu, erkek çocuk, bebek, ergen, liseli

    anak kecil, gadis kecil, anak perempuan, anak laki, bocah, trẻ em, bé gái, bé trai

    ребенок, ребёнок, ребенка, ребёнка, дети, детей, детская, детский, девочка, девочки, девочку, девочек
    девчонка, мальчик, мальчика, мальчики, мальчиков, малыш, малышка, младенец, школьница, школьницы, школьник
    несовершеннолетняя, несовершеннолетний, несовершеннолетние, подросток, подростка, лоли, дитина, дівчинка
    хлопчик

    παιδί, παιδιά, κοριτσάκι, αγοράκι, ανήλικη, ανήλικος
    """
)
"""Fine by themselves, refused beside :data:`SEXUAL`."""

SEXUAL = _list(
    """
    nude, nudes, nudity, nudist, nudism, nekkid, nakey, naked, nakedness, noods, nood, seminude, semi nude
    half naked, topless, bottomless, undressed, undressing, undress, unclothed, disrobed, disrobing
    clothesless, striptease, stripper, strippers, no clothes, no clothing, without clothes, without clothing
    without any clothes, without her clothes, without his clothes, without their clothes, wearing nothing
    wears nothing, nothing on, not wearing anything, no underwear, no panties, clothes off, clothes removed
    removing clothes, removed clothes, taking off clothes, taking off her clothes, taking off his clothes
    takes off her clothes, takes off his clothes, birthday suit, in the buff, au naturel, in the nude
    bare breasts, bare breasted, bare bottom, bare ass, bare butt, bare nipples, exposed breasts
    exposed breast, exposed nipples, see through clothes, see through shirt, see through dress, see through
    nsfw, explicit content, uncensored, xxx, porn, porno, pornography, pornographic, porns, pr0n, pron, hentai
    ecchi, ahegao, r18, r 18, 18 plus only, rule 34, rule34, lewd, lewds, erotic, erotica, eroticism
    erotically, sexy, sexual, sexually, sexualized, sexualised, sexuality, sex, sexed, seggs, segs, sexo
    having sex, making love, intercourse, fornication, coitus, seductive, seductively, sensual, sensually
    provocative pose, suggestive pose, sultry, arousing, aroused, horny, orgasm, orgasms, orgasming, climaxing
    masturbate, masturbates, masturbating, masturbation, fingering herself, penis, penises, vagina, vaginas
    vulva, genitals, genitalia, genital, nipple, nipples, areola, areolae, areolas, breasts, boobs, boob
    boobies, tits, titties, titty, pussy, pussies, cameltoe, camel toe, clitoris, labia, testicles, erection
    crotch shot, upskirt, downblouse, panty shot, pantyshot, panties, pantsu, thong, thongs, g string, lingerie
    negligee, underwear, bra and panties, fellatio, blowjob, blowjobs, handjob, creampie, deepthroat, gangbang
    threesome, cunnilingus, anal, cum, cumming, cumshot, fuck, fucked, fucking, fucks, fuk, bdsm, bondage
    fetish, orgy, incest, molest, molested, molesting, molestation, rape, raped, raping, rapes, grope, groped
    groping, onlyfans, playboy, centerfold, camgirl, prostitute, hooker, whore, slut, slutty, sluts
    spread legs, legs spread

    nackt, nackte, nackter, nackten, nacktes, nacktheit, entblößt, ausgezogen, unbekleidet, ohne kleidung
    ohne kleider, entkleidet, sexuell, erotisch, erotische, unterwäsche, brüste, reizwäsche

    nu, nue, nus, nues, nudité, dénudé, dénudée, sans vêtements, déshabillé, déshabillée, sexe, sexuel
    sexuelle, érotique, seins, culotte, seins nus, à poil

    desnuda, desnudas, desnudo, desnudos, desnudez, sin ropa, erótica, erótico, sexualmente, pechos, tetas
    en cueros, encuerada, nua, nuas, sem roupa, nudez, peitos, calcinha, transando

    nuda, nudo, nudi, nudità, spogliata, senza vestiti, sesso, sessuale, seno nudo

    naakt, naakte, bloot, blote, zonder kleren, seks, seksueel, erotisch, borsten

    naga dziewczyna, naga kobieta, nagą, nagiej, nagie, nagość, rozebrana, rozebrany, bez ubrania, seksowna
    erotyczne, piersi

    naken, nakna, naket, nagen, nøgen, nøgne, utan kläder, alaston, alasti, seksi

    nahá, nahý, nazí, meztelen, goală, dezbrăcată

    çıplak, çıplaklar, soyunuk, seksi, erotik, cinsel

    telanjang, bugil, bogel, khỏa thân, khoả thân

    голая, голый, голые, голую, голой, голого, голых, голышом, обнаженная, обнажённая, обнаженный, обнажённый
    обнаженные, нагая, нагой, раздетая, раздетый, без одежды, секс, сексуальная, сексуальный, эротика
    эротический, порно, интим, гола, голий, оголена

    γυμνή, γυμνό, γυμνός, γυμνά, σεξ, σεξουαλικό
    """
)
"""Words for nudity and sex; not refused by themselves."""

ADULT = _list("adult, adults, grown up, grown ups, grownup, of age, of legal age, mature, mature female, mature male")
"""Unwanted beside :data:`SEXUAL`, they say that somebody young is wanted."""

CLOTHES = _list(
    "clothes, clothed, clothing, dressed, any clothes, all clothes, garment, garments, fully clothed, kleidung, kleider"
    ", vêtements, ropa, roupa, vestiti, kleren, одежда"
)
"""Unwanted beside :data:`MINORS`, they say that somebody unclothed is wanted."""

STEMS_SEXUAL = ("pornograph", "masturbat", "ejaculat", "erotiq", "hentai", "sexuali", "undress", "genital")
STEMS_MINORS = ("prepubesc", "preschool", "kindergart", "schoolgirl", "schoolboy", "minderj", "несовершеннолетн")

HARMLESS = _list(
    """
    cum laude, same sex, opposite sex, fairer sex, sex and the city, naked eye, naked mole rat, naked mole rats
    naked cake, pussy willow, pussy willows, pussy cat, pussy riot, nude lipstick, nude lip, nude lips
    nude makeup, nude make up, nude color, nude colors, nude colour, nude colours, nude tone, nude tones
    nude shade, nude heels, nude pumps, nude nails, nude beige, chicken breasts, turkey breasts, duck breasts
    rape seed, rape field, rapeseed, erection of, paint stripper, wire stripper, wire strippers, stripper well
    blue tits, great tits, coal tits, anal retentive, flip flop thongs, naked flame, naked flames
    naked branches, naked trees, bottomless pit, nu metal, nu jazz, sex år, pieds nus, pied nu, bras nus
    tête nue, mains nues, œil nu, oeil nu, culotte courte, culottes courtes, piedi nudi, occhio nudo, nudo de
    pies desnudos, pés nus, nackte füße, nackten füßen, nackte arme, blote voeten, blote handen
    piersi kurczaka, asia minor, ursa minor, canis minor, leo minor, minor key, minor chord, minor scale
    minor league, minor leagues, in a minor key, b minor, c minor, d minor, e minor, f minor, g minor
    minor damage, minor details, minor injury, friar minor, minor planet, baby blue, baby pink, baby grand
    baby oil, baby bump, babys breath, baby s breath, kid leather, kid gloves, billy the kid, kid goat
    boys in blue, beach boys, lost boys, pet shop boys, old boys club, teen titans, prelude in a minor
    sonata in a minor, tater tots, baby carrots, baby corn, baby spinach, baby potatoes, girl dinner
    """
)
"""What means neither; taken out before the words are looked for."""

# scripts without spaces, or whose vowels are marks: looked for anywhere
MINORS_ANYWHERE = re.compile(
    "少女|幼女|幼児|幼い|子供|子ども|こども|女児|男児|小学生|中学生|高校生|女子校生|少年|園児|赤ちゃん|赤ん坊|ロリ|ショタ|未成年|女の子|男の子"
    "|儿童|兒童|小孩|女童|男童|幼童|孩子|萝莉|蘿莉|正太|婴儿|嬰兒|小女生|初中生|女孩|男孩"
    "|소녀|소년|어린이|어린아이|아이(?![스디콘템폰패돌브라])|초등학생|중학생|고등학생|여고생|미성년|로리|쇼타|꼬마|유아|아기"
    "|طفل|طفلة|أطفال|فتاة صغيرة|قاصر|बच्चा|बच्ची|बच्चे|लड़की|लड़का|नाबालिग|เด็ก|ילדה|ילד|קטינה|کودک|دختربچه"
)
SEXUAL_ANYWHERE = re.compile(
    "裸(?![足眼])|ヌード|全裸|はだか|セックス|(?<![ピイ])エロ(?!ー)|えっち|エッチ|性的|ポルノ|下着姿|下着|おっぱい|乳首|パンティ"
    "|色情|性爱|性愛|做爱|做愛|情色|赤裸|没穿|不穿|脱光|裸体|露点|性感"
    "|누드|나체|벌거벗|섹스|야한|알몸|포르노|에로|속옷|성적"
    "|عاري|عارية|عارٍ|جنس|إباحي|نودل|नंगा|नंगी|नग्न|सेक्स|เปลือย|โป๊|ערומה|עירום|ערום|سکس|برهنه|لخت"
)
